import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import type { QueuedJob } from "../../src/job/job.ts";
import { Queue } from "../../src/supervisor/queue.ts";
import { schedule, startOrder } from "../../src/supervisor/schedule.ts";

function job(id: number, cpus = 1, priority = 0, memory = 0): QueuedJob {
  return {
    id,
    attempts: 0,
    submittedAtMs: 0,
    held: false,
    state: "QUEUED",
    demand: { cpus, memory, priority, after: [], timeoutMs: 0, graceMs: 0 },
  };
}

const jobs = fc.uniqueArray(
  fc.tuple(
    fc.integer({ min: 1, max: 500 }),
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: -2, max: 2 }),
    fc.nat(100),
  )
    .map(([id, cpus, priority, memory]) => job(id, cpus, priority, memory)),
  { selector: ({ id }) => id, maxLength: 60 },
);

Deno.test("ready jobs come by priority, then by id, whatever the order of arrival and removal", () => {
  fc.assert(fc.property(jobs, fc.array(fc.nat(60)), (list, removals) => {
    const queue = new Queue();
    for (const each of list) queue.add(each, []);
    const gone = new Set(removals.flatMap((i) => list[i] ?? []));
    for (const each of gone) queue.remove(each);
    const expected = list.filter((each) => !gone.has(each)).sort(startOrder);
    assertEquals([...queue.ready()].map(({ id }) => id), expected.map(({ id }) => id));
    assertEquals(queue.size, expected.length);
  }));
});

Deno.test("a schedule never exceeds what is free, keeps the order, and stops only where it must", () => {
  fc.assert(
    fc.property(
      jobs,
      fc.nat(16),
      fc.nat(200),
      fc.integer({ min: 1, max: 20 }),
      (list, cpus, memory, limit) => {
        const waiting = [...list].sort(startOrder);
        const starts = schedule(waiting, { cpus, memory }, limit);
        const sum = (pick: (job: QueuedJob) => number) =>
          starts.reduce((total, each) => total + pick(each), 0);
        assert(
          sum(({ demand }) => demand.cpus) <= cpus && sum(({ demand }) => demand.memory) <= memory,
        );
        assertEquals(starts, waiting.slice(0, starts.length));
        const next = waiting[starts.length];
        if (!next || starts.length === limit) return;
        assert(
          sum(({ demand }) => demand.cpus) + next.demand.cpus > cpus ||
            sum(({ demand }) => demand.memory) + next.demand.memory > memory,
        );
      },
    ),
  );
});

Deno.test("a job waits for all of those before it, and is told when one fails", () => {
  const queue = new Queue();
  queue.add(job(3), [1, 2]);
  queue.add(job(4), [1]);
  assertEquals(queue.size, 2);
  assertEquals(queue.ended(1, true), []);
  assertEquals([...queue.ready()].map(({ id }) => id), [4]);
  assertEquals(queue.ended(2, false).map(({ id }) => id), [3]);
  assertEquals(queue.size, 1);
});

Deno.test("a job that follows two that fail is told of once", () => {
  const queue = new Queue();
  queue.add(job(2), [1]);
  queue.add(job(3), [1, 2]);
  assertEquals(queue.ended(1, false).map(({ id }) => id), [2, 3]);
  assertEquals(queue.ended(2, false), []);
  assertEquals(queue.size, 0);
});
