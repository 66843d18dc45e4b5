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
