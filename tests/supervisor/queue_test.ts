import fc from "fast-check";
import { assertEquals } from "../assert.ts";
import type { QueuedJob } from "../../src/job/job.ts";
import { Heap } from "../../src/supervisor/heap.ts";
import { Lanes } from "../../src/supervisor/lanes.ts";
import { Queue } from "../../src/supervisor/queue.ts";
import { startOrder } from "../../src/supervisor/start_order.ts";
import { queued } from "./queued.ts";

const jobs = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 1, max: 500 }),
    cpus: fc.integer({ min: 1, max: 3 }),
    priority: fc.integer({ min: -2, max: 2 }),
    submittedAtMs: fc.nat(2_000_000),
  }).map(({ id, submittedAtMs, ...demand }) => queued(id, demand, { submittedAtMs })),
  { selector: ({ id }) => id, maxLength: 60 },
);

const ids = (list: readonly QueuedJob[]) => list.map(({ id }) => id).sort((a, b) => a - b);
const ready = (queue: Queue) => ids([...queue.lanes()].flatMap((lane) => lane.jobs));

Deno.test("every lane is in the order of starts, whatever the order of arrival and removal", () => {
  fc.assert(fc.property(jobs, fc.array(fc.nat(60)), (list, removals) => {
    const lanes = new Lanes(list);
    const gone = new Set(removals.flatMap((i) => list[i] ?? []));
    for (const each of gone) assertEquals(lanes.remove(each), true);
    const left = list.filter((each) => !gone.has(each));
    assertEquals(lanes.size, left.length);
    assertEquals(ids([...lanes].flatMap((lane) => lane.jobs)), ids(left));
    for (const lane of lanes) {
      assertEquals(lane.jobs, [...lane.jobs].sort(startOrder));
      assertEquals(new Set(lane.jobs.map(({ demand }) => demand.cpus)).size, 1);
    }
  }));
});

Deno.test("a heap gives back what was put in, in order", () => {
  const numbers = fc.array(fc.nat(50));
  fc.assert(fc.property(numbers, numbers, (first, later) => {
    const heap = new Heap<number>((a, b) => a < b, first);
    for (const each of later) heap.push(each);
    const taken = [];
    for (let each; (each = heap.pop()) !== undefined;) taken.push(each);
    assertEquals(taken, [...first, ...later].sort((a, b) => a - b));
  }));
});

Deno.test("a job waits for all of those before it, and is told when one fails", () => {
  const queue = new Queue();
  queue.add(queued(3), [1, 2]);
  queue.add(queued(4), [1]);
  assertEquals(queue.size, 2);
  assertEquals(queue.waitsFor(3), [1, 2]);
  assertEquals(queue.ended(1, true), []);
  assertEquals(ready(queue), [4]);
  assertEquals(queue.waitsFor(3), [2]);
  assertEquals(ids(queue.ended(2, false)), [3]);
  assertEquals(queue.size, 1);
});

Deno.test("a job that follows two that fail is told of once", () => {
  const queue = new Queue();
  queue.add(queued(2), [1]);
  queue.add(queued(3), [1, 2]);
  assertEquals(ids(queue.ended(1, false)), [2, 3]);
  assertEquals(queue.ended(2, false), []);
  assertEquals(queue.size, 0);
});

Deno.test("a job is ready once it is released, its time has come and those before it have completed", () => {
  type Step = "release" | "hold" | "time" | "completed";
  const steps = fc.array(fc.constantFrom<Step>("release", "hold", "time", "completed"));
  fc.assert(fc.property(steps, fc.boolean(), (list, held) => {
    const queue = new Queue();
    let job = queued(2, { notBeforeMs: 100 }, { held });
    let isTime = false, isCompleted = false;
    queue.add(job, [1]);
    for (const step of list) {
      if (step === "time") {
        isTime = true;
        assertEquals(queue.tellTime(100), undefined);
      } else if (step === "completed") {
        isCompleted = true;
        queue.ended(1, true);
      } else queue.replaceAll([job = { ...job, held: step === "hold" }]);
      if (!isTime) assertEquals(queue.tellTime(99), 100);
      assertEquals(ready(queue), isTime && isCompleted && !job.held ? [2] : []);
      assertEquals(queue.size, 1);
    }
    queue.remove(job);
    assertEquals(queue.size, 0);
  }));
});
