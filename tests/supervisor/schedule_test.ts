import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import type { QueuedJob } from "../../src/job/job.ts";
import { type Amount, Lanes, lastsMs, needOf } from "../../src/supervisor/lanes.ts";
import { fits, type Holding, minus, type Scene, schedule } from "../../src/supervisor/schedule.ts";
import { headStartMs, MAX_HEAD_START_MS, startOrder } from "../../src/supervisor/start_order.ts";
import { queued } from "./queued.ts";
import { Bench } from "./schedule_bench.ts";

const CAPACITY: Amount = { cpus: 8, memory: 100, pinned: 6 };

const jobs = fc.array(
  fc.record({
    cpus: fc.integer({ min: 1, max: 9 }),
    memory: fc.constantFrom(0, 0, 30, 60),
    priority: fc.integer({ min: -1, max: 1 }),
    timeoutMs: fc.constantFrom(0, 10, 50, 1000),
    pin: fc.constantFrom(undefined, undefined, "exclusive" as const, "shared" as const),
    pool: fc.constantFrom(undefined, undefined, "a", "b"),
    array: fc.constantFrom(undefined, undefined, { id: 7, index: 0, atOnce: 2 }, {
      id: 8,
      index: 0,
    }),
  }),
  { maxLength: 40 },
).map((demands) => demands.map((demand, i) => queued(i + 1, demand, { submittedAtMs: i })));

const holdings = fc.array(
  fc.record({
    cpus: fc.integer({ min: 1, max: 3 }),
    memory: fc.constantFrom(0, 10),
    pinned: fc.constantFrom(0, 0, 1),
    endsAtMs: fc.constantFrom(0, 20, 300, Infinity),
  }),
  { maxLength: 4 },
).map((list) => list.sort((a, b) => a.endsAtMs < b.endsAtMs ? -1 : 1));

const scenes = fc.record({
  waiting: jobs,
  holdings,
  rooms: fc.record({ a: fc.integer({ min: -1, max: 3 }), b: fc.constant(0) }),
  inArray: fc.nat(2),
}).map(({ waiting, holdings, rooms, inArray }) => {
  const used = holdings.reduce(
    (sum, each) => ({
      cpus: sum.cpus + each.cpus,
      memory: sum.memory + each.memory,
      pinned: sum.pinned + each.pinned,
    }),
    { cpus: 0, memory: 0, pinned: 0 },
  );
  const scene: Scene = {
    lanes: new Lanes(waiting),
    capacity: CAPACITY,
    used,
    holdings,
    poolRoom: (name) => rooms[name as "a" | "b"],
    runningOfArray: () => inArray,
    sharedCpus: CAPACITY.pinned - used.pinned,
    nowMs: 5,
  };
  return { waiting, scene };
});

Deno.test("a schedule is never over capacity, nor beyond a pool's or an array's limit", () => {
  fc.assert(fc.property(scenes, fc.integer({ min: 1, max: 20 }), ({ scene }, limit) => {
    const { starts } = schedule(scene, limit);
    assert(starts.length <= limit && new Set(starts).size === starts.length);
    let free = minus(scene.capacity, scene.used);
    for (const job of starts) {
      assert(fits(needOf(job.demand), free));
      free = minus(free, needOf(job.demand));
    }
    const count = (isIn: (job: QueuedJob) => boolean) => starts.filter(isIn).length;
    assert(count(({ demand }) => demand.pool === "a") <= Math.max(0, scene.poolRoom("a")));
    assertEquals(count(({ demand }) => demand.pool === "b"), 0);
    const ofArray = count(({ demand }) => demand.array?.id === 7);
    assert(ofArray <= Math.max(0, 2 - scene.runningOfArray(7)));
    starts.forEach((job, at) => assert(canShare(job, starts.slice(0, at), scene)));
  }));
});

Deno.test("what fits starts, unless it could put off the first that does not", () => {
  fc.assert(fc.property(scenes, ({ waiting, scene }) => {
    const { starts, reserved } = schedule(scene, 1000);
    const free = starts.reduce(
      (left, { demand }) => minus(left, needOf(demand)),
      minus(scene.capacity, scene.used),
    );
    const left = [...waiting].sort(startOrder).filter((job) => !starts.includes(job));
    for (const job of left) {
      const need = needOf(job.demand);
      if (!fits(need, free) || !hasRoom(job, starts, scene)) continue;
      assert(reserved && startOrder(reserved.job, job) < 0, `job ${job.id} could start`);
      const { pool } = job.demand;
      if (pool !== undefined && pool === reserved.job.demand.pool) continue;
      const endsAtMs = scene.nowMs + lastsMs(job.demand);
      assert(endsAtMs > reserved.atMs || endsAtMs === Infinity);
      const beside = freeAt(reserved.atMs, scene, starts, needOf(reserved.job.demand));
      assert(reserved.atMs === Infinity || !fits(need, beside));
    }
  }));
});

/** Whether the exclusive jobs leave a shared one its CPUs. */
function canShare({ demand }: QueuedJob, starts: readonly QueuedJob[], scene: Scene): boolean {
  const exclusive = starts.reduce((sum, job) => sum + needOf(job.demand).pinned, 0);
  return demand.pin !== "shared" || demand.cpus <= scene.sharedCpus - exclusive;
}

function hasRoom(job: QueuedJob, starts: readonly QueuedJob[], scene: Scene): boolean {
  const { pool, array } = job.demand;
  const count = (isIn: (job: QueuedJob) => boolean) => starts.filter(isIn).length;
  const inPool = count(({ demand }) => demand.pool === pool);
  if (pool !== undefined && scene.poolRoom(pool) - inPool < 1) return false;
  if (!canShare(job, starts, scene)) return false;
  if (array?.atOnce === undefined) return true;
  const running = scene.runningOfArray(array.id);
  return running + count(({ demand }) => demand.array?.id === array.id) < array.atOnce;
}

/** What is free at a time beside the job that is reserved, if all that may still run does. */
function freeAt(atMs: number, scene: Scene, starts: readonly QueuedJob[], need: Amount): Amount {
  const started: Holding[] = starts.map(({ demand }) => ({
    ...needOf(demand),
    endsAtMs: scene.nowMs + lastsMs(demand),
  }));
  const still = [...scene.holdings, ...started].filter(({ endsAtMs }) => endsAtMs > atMs);
  return still.reduce((left, each) => minus(left, each), minus(scene.capacity, need));
}

Deno.test("a reserved job starts by its time, however many come after it, and nothing behind it puts it off", () => {
  const arrivals = fc.array(
    fc.record({
      afterMs: fc.nat(30),
      cpus: fc.integer({ min: 1, max: 8 }),
      timeoutMs: fc.integer({ min: 1, max: 200 }),
      share: fc.integer({ min: 1, max: 100 }),
      pool: fc.constantFrom(undefined, "two"),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(fc.property(arrivals, (list) => {
    const bench = new Bench(CAPACITY, { two: 2 });
    let atMs = 0;
    for (const { afterMs, share, ...demand } of list) {
      atMs += afterMs;
      bench.runUntil(atMs);
      bench.submit(demand, Math.ceil(demand.timeoutMs * share / 100));
    }
    bench.runUntil(Infinity);
    assertEquals(bench.waiting, 0);
    assertEquals(bench.broken, []);
  }));
});

Deno.test("nothing starves, whatever is submitted after it with whatever priority", () => {
  const DAY_MS = 86_400_000;
  const rivals = fc.record({
    cpus: fc.integer({ min: 1, max: 8 }),
    timeoutMs: fc.integer({ min: DAY_MS / 8, max: DAY_MS }),
    priority: fc.constantFrom(0, 10, 1000, 1_000_000),
  });
  fc.assert(
    fc.property(fc.array(rivals, { minLength: 1, maxLength: 5 }), (list) => {
      const bench = new Bench(CAPACITY, {});
      bench.submit({ cpus: 8, timeoutMs: 1000 }, 1000);
      const last = bench.submit({ cpus: 8, timeoutMs: 1000, priority: -1_000_000 }, 1000);
      bench.submit(list[0]!, list[0]!.timeoutMs);
      let aheadMs = 0, atMs = 0;
      for (let i = 0; atMs < 40 * DAY_MS && !bench.hasStarted(last); i++) {
        const { cpus, timeoutMs, priority } = list[i % list.length]!;
        bench.submit({ cpus, timeoutMs, priority }, timeoutMs);
        if (atMs <= 2 * MAX_HEAD_START_MS) aheadMs += timeoutMs;
        bench.runUntil(atMs += timeoutMs / 2);
      }
      bench.runUntil(2 * MAX_HEAD_START_MS + aheadMs + DAY_MS);
      assert(bench.hasStarted(last), "it has never been its turn");
    }),
    { numRuns: 30 },
  );
});

Deno.test("a higher priority is always a longer head start, which has an end", () => {
  const priority = fc.integer({ min: -1_000_000, max: 999_999 });
  fc.assert(fc.property(priority, (each) => {
    assert(headStartMs(each) < headStartMs(each + 1));
    assert(Math.abs(headStartMs(each)) < MAX_HEAD_START_MS);
  }));
});
