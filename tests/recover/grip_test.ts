/** What is said of processes that are held, and of those that can no longer be. */

import { assertEquals } from "../assert.ts";
import type { ProcessIdentity } from "../../src/job/identity.ts";
import type { Processes } from "../../src/ports.ts";
import { Grip } from "../../src/recover/grip.ts";

Deno.test("the end of a job that nobody can hold any more is told at once", () => {
  const told: number[] = [];
  const processes = { open: () => "mismatch" } as unknown as Processes;
  const grip = new Grip(processes, (id) => told.push(id));
  grip.take(7, { pid: 100, startTicks: 1 }, { pid: 101, startTicks: 2 });
  assertEquals(told, [7]);
});

Deno.test("a leader that lost its shim, and ended before it could be held, is known when it is reaped", () => {
  const processes = { open: () => "mismatch" } as unknown as Processes;
  const grip = new Grip(processes, () => {});
  const [shim, leader] = [{ pid: 100, startTicks: 1 }, { pid: 101, startTicks: 2 }];
  const exit = { code: 7, signal: 0 };
  grip.spawning(7, 1);
  grip.spawned(7, 1, { pid: shim.pid });
  assertEquals(grip.reaped({ pid: shim.pid, exit: { code: 0, signal: 9 } }), 7);
  grip.take(7, shim, leader);
  assertEquals(grip.reaped({ pid: leader.pid, exit }), 7);
  assertEquals(grip.leaderExit(7), exit);
});

Deno.test("a job that is taken hold of twice, as when a turn is done again, is watched once", () => {
  const watched: number[] = [];
  const processes = {
    observe: () => ({ kind: "absent" }),
    open: (identity: ProcessIdentity) => ({
      identity,
      whenEnded: () => watched.push(identity.pid),
    }),
  } as unknown as Processes;
  const grip = new Grip(processes, () => {});
  const [shim, leader] = [{ pid: 100, startTicks: 1 }, { pid: 101, startTicks: 2 }];
  grip.take(7, shim, leader);
  grip.take(7, shim, leader);
  assertEquals(watched, [100]);
});

Deno.test("a shim that has ended before its spawn is told is known to have ended", () => {
  const gone = { kind: "absent" };
  let seen: object = gone;
  const processes = { observe: () => seen } as unknown as Processes;
  const grip = new Grip(processes, () => {});
  const reaped = { pid: 100, exit: { code: 0, signal: 0 }, maxMemory: 5 };
  grip.spawning(7, 1);
  grip.spawning(8, 1);
  assertEquals([grip.shim(7, undefined), grip.hasSpawned(7)], ["match", true]);
  assertEquals(grip.reaped(reaped), undefined);
  grip.spawned(7, 1, { pid: 100 });
  assertEquals([grip.shim(7, undefined), grip.isShimThere(7)], ["mismatch", false]);
  assertEquals(grip.maxMemory(7), 5);
  // The number of one that has ended may be given again.
  seen = { kind: "present", startTicks: 1, zombie: false };
  grip.spawned(8, 1, { pid: 100 });
  assertEquals([grip.shim(8, undefined), grip.isShimThere(8)], ["match", true]);
  assertEquals(grip.reaped(reaped), 8);
});

Deno.test("a spawn that is told when its job has been let go of leaves the next attempt alone", () => {
  const grip = new Grip({} as unknown as Processes, () => {});
  grip.spawning(7, 1);
  grip.letGo(7);
  grip.spawning(7, 2);
  grip.spawned(7, 1, { refused: "no processes", by: "node" });
  assertEquals([grip.shim(7, undefined), grip.isUnstarted(7)], ["match", false]);
  grip.spawned(7, 2, { pid: 101 });
  assertEquals(grip.isShimThere(7), true);
});
