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
  grip.spawned(7, shim.pid);
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
