import fc from "fast-check";
import { assertEquals } from "../assert.ts";
import { forecast, type Obstacles } from "../../src/supervisor/forecast.ts";
import { Lanes, needOf } from "../../src/supervisor/lanes.ts";
import { plus, type Scene } from "../../src/supervisor/schedule.ts";
import type { QueuedJob } from "../../src/job/job.ts";
import { Bench } from "./schedule_bench.ts";
import { queued } from "./queued.ts";

const READY: Obstacles = { held: false, after: [] };
const CAPACITY = { cpus: 4, memory: 2 ** 31, pinned: 4 };

interface Running {
  readonly cpus: number;
  readonly endsAtMs: number;
}

function scene(waiting: readonly QueuedJob[], running: readonly Running[] = []): Scene {
  const holdings = running.map(({ cpus, endsAtMs }) => ({
    ...needOf(queued(0, { cpus }).demand),
    endsAtMs,
  }));
  return {
    lanes: new Lanes(waiting),
    capacity: CAPACITY,
    used: holdings.reduce(plus, { cpus: 0, memory: 0, pinned: 0 }),
    holdings,
    poolRoom: () => 0,
    runningOfArray: () => 3,
    sharedCpus: CAPACITY.pinned,
    nowMs: 0,
  };
}

function told(job: QueuedJob, obstacles: Partial<Obstacles>, given = scene([job])): string {
  return forecast(job, { ...READY, ...obstacles }, given).waiting;
}

Deno.test("a waiting job tells what it waits for", () => {
  const job = queued(9, { cpus: 4 });
  assertEquals(told(job, { held: true }), "its release");
  assertEquals(told(job, { after: ["3"] }), "job 3 to complete");
  assertEquals(
    told(job, { after: ["3", "5", "7"], held: true }),
    "its release; jobs 3, 5 and 7 to complete",
  );
  assertEquals(told(job, { after: ["3", "5", "7_2", "8"] }), "jobs 3, 5 and 2 more to complete");
  assertEquals(told(job, { notBefore: "2026-11-24T18:00:00.000Z" }), "2026-11-24T18:00:00.000Z");
  assertEquals(told(job, { node: "the node, which is draining" }), "the node, which is draining");
  const inPool = queued(9, { pool: "gpu" });
  assertEquals(told(inPool, { pool: { name: "gpu", paused: true } }), "pool gpu is paused");
  assertEquals(told(inPool, { pool: { name: "gpu", limit: 2 } }), "pool gpu runs its limit of 2");
  assertEquals(told(inPool, { pool: { name: "gpu" } }), "pool gpu does not exist any more");
  const inArray = queued(9, { array: { id: 1, atOnce: 3 } });
  assertEquals(told(inArray, {}), "its array runs its limit of 3");
  assertEquals(told(job, {}), "its turn");
});

Deno.test("a job that does not fit tells what is free, what it needs and who comes before it", () => {
  const ahead = [queued(1, { cpus: 3 }), queued(2, { cpus: 4 })];
  const job = queued(9, { cpus: 4, memory: 2 ** 32 }, { submittedAtMs: 1 });
  const busy = scene([...ahead, job], [{ cpus: 2, endsAtMs: 5000 }]);
  assertEquals(
    told(job, {}, busy),
    "it can never start: the node gives out 2.0 GiB of memory, needs 4.0 GiB; behind jobs 1 and 2",
  );
  const smaller = queued(9, { cpus: 4 }, { submittedAtMs: 1 });
  assertEquals(told(smaller, {}, busy), "2 CPUs free, needs 4; behind jobs 1 and 2");
  const small = queued(9, { cpus: 1, timeoutMs: 9000 }, { submittedAtMs: 1 });
  const tight = scene([queued(1, { cpus: 4 }), small], [{ cpus: 2, endsAtMs: 5000 }]);
  assertEquals(told(small, {}, tight), "job 1 to start, which it could put off");
});

Deno.test("a start is foreseen from the timeouts, and not where one is missing", () => {
  const first = queued(1, { cpus: 4, timeoutMs: 1000, graceMs: 100 });
  const second = queued(2, { cpus: 4, timeoutMs: 1000 }, { submittedAtMs: 1 });
  const at = (job: QueuedJob, running: Running[]) =>
    forecast(job, READY, scene([first, second], running)).startsAtMs;
  assertEquals(at(first, [{ cpus: 1, endsAtMs: 5000 }]), 5000);
  assertEquals(at(second, [{ cpus: 1, endsAtMs: 5000 }]), 6100);
  assertEquals(at(second, [{ cpus: 1, endsAtMs: Infinity }]), undefined);
});

Deno.test("the first in line starts when it was foreseen, if jobs run as long as they may", () => {
  const list = fc.array(
    fc.record({ cpus: fc.integer({ min: 1, max: 4 }), timeoutMs: fc.integer({ min: 1, max: 50 }) }),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(fc.property(list, (demands) => {
    const bench = new Bench(CAPACITY, {});
    for (const demand of demands) bench.submit(demand, demand.timeoutMs);
    const [first] = bench.queued();
    if (!first) return;
    const { startsAtMs } = forecast(first, READY, bench.scene());
    bench.runUntil(Infinity);
    assertEquals(bench.startedAt(first.id), startsAtMs);
  }));
});
