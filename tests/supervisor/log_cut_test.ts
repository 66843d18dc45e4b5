/** Where logs are cut and how soon they are looked at, for any size and limit. */

import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import type { LogState } from "../../src/ports.ts";
import {
  ballastOf,
  ceilingOf,
  cutTo,
  kept,
  LEAST_KEPT,
  nextDiskLookMs,
  nextLookMs,
  relief,
  reserveOf,
  together,
} from "../../src/supervisor/log_cut.ts";

const GIB = 2 ** 30;
const limits = fc.integer({ min: 65_536, max: 2 ** 40 });
const blocks = fc.constantFrom(512, 4096, 65_536, 1 << 20);

/** A log that was cut some times while it grew. */
const logs: fc.Arbitrary<LogState> = fc.tuple(
  blocks,
  fc.array(fc.tuple(fc.nat(2 ** 36), limits), { minLength: 1, maxLength: 6 }),
).map(([block, steps]) => {
  let log: LogState = { size: 0, block };
  for (const [more, keep] of steps) log = after({ ...log, size: log.size + more }, keep);
  return log;
});

function after(log: LogState, keep: number): LogState {
  const piece = cutTo(log, keep);
  return piece ? { ...log, gap: { ...piece, shift: 0 } } : log;
}

Deno.test("a cut keeps the first and the newest half of what may be kept, and little more", () => {
  fc.assert(fc.property(logs, limits, ({ size, block }, keep) => {
    const { gap } = after({ size, block }, keep);
    if (!gap) return assert(size <= keep + 3 * block);
    assertEquals([gap.from % block, gap.to % block], [0, 0]);
    assert(gap.from >= keep / 2 && gap.from < keep / 2 + block);
    assert(size - gap.to >= keep / 2 && size - gap.to < keep / 2 + block);
  }));
});

Deno.test("what is gone stays gone: a further cut begins no later and ends no earlier", () => {
  fc.assert(fc.property(logs, limits, (log, keep) => {
    const { gap } = after(log, keep);
    if (log.gap) assert(gap!.from <= log.gap.from && gap!.to >= log.gap.to);
    assert(kept(after(log, keep)) <= Math.max(keep + 3 * log.block, 0));
  }));
});

Deno.test("a log is looked at before it can be far above its ceiling, and the sooner the fuller it is", () => {
  fc.assert(fc.property(limits, fc.nat(), fc.nat(), (limit, a, b) => {
    const [less, more] = [Math.min(a, b), Math.max(a, b)];
    const ms = nextLookMs(more, limit);
    assert(ms >= 250 && ms <= 30_000);
    assert(nextLookMs(less, limit) >= ms);
    assert(more + ms / 1000 * 256 * 2 ** 20 <= Math.max(more, ceilingOf(limit)) + 64 * 2 ** 20);
  }));
});

Deno.test("a quiet log is looked at ever less often, up to every four seconds", () => {
  let ms = nextLookMs(0, 65_536);
  for (let i = 0; i < 10; i++) ms = nextLookMs(0, 65_536, ms);
  assertEquals(ms, 4000);
});

Deno.test("looks fall on few instants, and none is early or more than a second late", () => {
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 250, max: 30_000 }), (now, delay) => {
    const at = together(now, delay);
    assert(at >= now + delay && at < now + delay + 1000);
    assertEquals(at % 250, 0);
  }));
});

Deno.test("relief gives back what is wanted or leaves no log more than its least, the biggest first", () => {
  const some = fc.uniqueArray(logs, { maxLength: 20, selector: ({ size }) => size });
  fc.assert(fc.property(some, fc.nat(2 ** 38), (all, wanted) => {
    const cuts = relief(all, wanted);
    const given = [...cuts].reduce((sum, [log, keep]) => sum + kept(log) - keep, 0);
    const left = all.map((log) => cuts.get(log) ?? kept(log));
    const canGive = all.filter((log) => kept(log) > LEAST_KEPT + 2 * log.block);
    if (given < wanted) assert(canGive.every((log) => cuts.get(log) === LEAST_KEPT));
    for (const [log, keep] of cuts) {
      assert(keep >= LEAST_KEPT && keep < kept(log));
      assert(left.every((other) => other <= kept(log)));
    }
  }));
});

Deno.test("the reserve and the ballast take a small part of a small disk", () => {
  const disk = (total: number) => ({ free: total, total });
  assertEquals(reserveOf(disk(100 * GIB), GIB / 4), GIB / 4);
  assertEquals(ballastOf(disk(100 * GIB), GIB / 4), GIB / 32);
  assertEquals(reserveOf(disk(GIB / 4), GIB / 4), GIB / 80);
  assertEquals(ballastOf(disk(GIB / 4), GIB / 4), 12 * 2 ** 20);
  assertEquals(ballastOf(disk(8 * 2 ** 20), GIB / 4), 0);
  assertEquals(ballastOf(disk(100 * GIB), 0), 0);
});

Deno.test("a disk that is short of space is looked at before its reserve can be written full", () => {
  assertEquals(nextDiskLookMs({ free: 0, total: 100 * GIB }, GIB / 4), 250);
  assertEquals(nextDiskLookMs({ free: 0, total: 2 * GIB }, GIB / 10), 100);
  assertEquals(nextDiskLookMs({ free: 0, total: GIB / 10 }, GIB / 200), 20);
  assertEquals(nextDiskLookMs({ free: 100 * GIB, total: 100 * GIB }, GIB / 4), 30_000);
});
