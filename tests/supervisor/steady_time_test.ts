/** Ages on clocks that are moved, over boots, in whatever order that comes. */

import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import {
  ageMs,
  firstSeen,
  olderThan,
  parseTimeText,
  seenAgain,
  type SteadyTime,
  timeText,
} from "../../src/supervisor/steady_time.ts";
import { isSettingFit } from "../../src/store/columns.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/** A node whose clocks can be moved, and what is true of it. */
class Node {
  wallMs = 1_700_000_000_000;
  bootMs = 5000;
  boot = 1;
  /** What has really passed, and of it while the node ran. */
  realMs = 0;
  upMs = 0;
  /** Of what has been in doubt: the uptime at which that began. */
  doubtsFrom: number[] = [];
  time: SteadyTime = firstSeen(this.sighting);

  get sighting() {
    return { bootId: `boot-${this.boot}`, bootMs: this.bootMs, wallMs: this.wallMs };
  }

  see(): { movedMs: number; offMs: number } {
    const { time, ...unusual } = seenAgain(this.time, this.sighting);
    assert(time.steadyMs >= this.time.steadyMs, "it never goes back");
    this.time = time;
    return unusual;
  }

  run(ms: number): this {
    this.bootMs += ms;
    this.wallMs += ms;
    this.realMs += ms;
    this.upMs += ms;
    return this;
  }

  move(ms: number): this {
    this.wallMs += ms;
    return this;
  }

  /** `wrongMs`: by how much the clock is wrong after it. */
  reboot(offMs: number, wrongMs = 0): this {
    this.realMs += offMs;
    this.wallMs += offMs + wrongMs;
    this.bootMs = 0;
    this.boot++;
    return this.run(5000);
  }
}

Deno.test("within a boot an age is what has passed since, however the wall clock is moved", () => {
  for (const moves of [[5 * DAY], [-5 * DAY], [400 * DAY, -3 * HOUR, -30_000 * DAY]]) {
    const node = new Node();
    const atMs = node.time.steadyMs;
    for (const move of moves) {
      assertEquals(node.move(move).see(), { movedMs: move, offMs: 0 });
      node.run(HOUR).see();
    }
    assertEquals(ageMs(node.time, atMs), moves.length * HOUR);
  }
});

Deno.test("a clock that is set right by little was not moved", () => {
  const node = new Node();
  assertEquals(node.run(HOUR).move(900).see(), { movedMs: 0, offMs: 0 });
  assertEquals(node.run(HOUR).move(-900).see(), { movedMs: 0, offMs: 0 });
  assertEquals(ageMs(node.time, 1_700_000_000_000), 2 * HOUR);
});

Deno.test("over a usual reboot ages count by the wall clock", () => {
  const node = new Node();
  const atMs = node.time.steadyMs;
  node.reboot(3 * MINUTE).see();
  assertEquals([ageMs(node.time, atMs), node.time.doubts], [3 * MINUTE + 5000, []]);
});

Deno.test("what a clock says that the node was off makes nothing older until a day has passed", () => {
  const node = new Node();
  const before = node.time.steadyMs;
  node.run(HOUR).see();
  assertEquals(node.reboot(0, 5 * DAY).see(), { movedMs: 0, offMs: 5 * DAY });
  const after = node.time.steadyMs;
  node.run(DAY - 1).see();
  assertEquals([ageMs(node.time, before), ageMs(node.time, after)], [
    DAY - 1 + HOUR + 5000,
    DAY - 1,
  ]);
  node.run(1).see();
  assertEquals([ageMs(node.time, before), ageMs(node.time, after)], [
    6 * DAY + HOUR + 5000,
    DAY,
  ]);
});

Deno.test("a clock that was wrong at the boot and is set right has made nothing older for ever", () => {
  const node = new Node();
  const atMs = node.time.steadyMs;
  node.reboot(0, 5 * DAY).see();
  node.run(MINUTE).move(-4 * DAY).see();
  node.run(30 * DAY).see();
  assertEquals(ageMs(node.time, atMs), 30 * DAY + MINUTE + 5000 + DAY, "one day may have been so");
});

Deno.test("a clock that goes back over a boot stops no ageing", () => {
  const node = new Node();
  const atMs = node.time.steadyMs;
  node.reboot(MINUTE, -9000 * DAY).see();
  node.run(DAY).see();
  assertEquals(ageMs(node.time, atMs), DAY + 5000);
});

Deno.test("a boot clock that begins anew within one boot stops nothing either", () => {
  const node = new Node();
  const atMs = node.time.steadyMs;
  node.run(HOUR).see();
  node.bootMs = 10;
  node.wallMs += MINUTE;
  node.see();
  assertEquals(ageMs(node.run(HOUR).see() && node.time, atMs), 2 * HOUR + MINUTE);
});

const happening = fc.oneof(
  fc.record({ kind: fc.constant("run" as const), ms: fc.nat(3 * DAY) }),
  fc.record({
    kind: fc.constant("move" as const),
    ms: fc.integer({ min: -99 * DAY, max: 99 * DAY }),
  }),
  fc.record({
    kind: fc.constant("reboot" as const),
    ms: fc.nat(20 * MINUTE),
    wrong: fc.oneof(fc.constant(0), fc.integer({ min: -99 * DAY, max: 99 * DAY })),
  }),
);

Deno.test("nothing is older than it is before a day has passed, nor younger than the node has run since", () => {
  fc.assert(fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
    const node = new Node();
    const marks: { atMs: number; realMs: number; upMs: number; reboots: number }[] = [];
    let reboots = 0, wrongAt: number | undefined;
    for (const each of happenings) {
      const { steadyMs } = node.time;
      marks.push({ atMs: steadyMs, realMs: node.realMs, upMs: node.upMs, reboots });
      if (each.kind === "run") node.run(each.ms);
      if (each.kind === "move") {
        node.move(each.ms);
        node.see();
      }
      if (each.kind === "reboot") {
        reboots++;
        node.reboot(each.ms, each.wrong);
        wrongAt ??= node.upMs;
      }
      node.see();
      for (const mark of marks) {
        const age = ageMs(node.time, mark.atMs);
        assert(age >= node.upMs - mark.upMs, `${age} is less than it has run`);
        const isEarly = node.upMs - (wrongAt ?? node.upMs) < DAY;
        // What is usual for a reboot may be taken for off.
        const allowed = (reboots - mark.reboots) * 15 * MINUTE;
        const real = node.realMs - mark.realMs + allowed;
        assert(!isEarly || age <= real, `${age} is more than ${real}`);
      }
    }
  }));
});

Deno.test("what is older than an age is what has that age, and its text says all of a time", () => {
  const doubt = fc.record({
    beforeMs: fc.integer({ min: 0, max: 1000 }),
    byMs: fc.integer({ min: 1, max: 300 }),
    leftMs: fc.integer({ min: 1, max: 999 }),
  });
  const time = fc.record({
    seen: fc.record({
      bootId: fc.stringMatching(/^[\w-]{1,36}$/),
      bootMs: fc.nat(),
      wallMs: fc.integer(),
    }),
    steadyMs: fc.constant(1000),
    doubts: fc.array(doubt, { maxLength: 4 }),
  });
  fc.assert(fc.property(time, fc.nat(1200), fc.nat(1000), (time, ms, atMs) => {
    const isIn = olderThan(time, ms).some(([from, to]) => from <= atMs && atMs < to);
    assertEquals(isIn, ageMs(time, atMs) > ms);
    assertEquals(JSON.stringify(parseTimeText(timeText(time))), JSON.stringify(time));
    assert(isSettingFit("clock", timeText(time)));
  }));
});
