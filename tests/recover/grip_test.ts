/** What is said of processes that are held, of those that can no longer be, and of what they tell. */

import { assertEquals } from "../assert.ts";
import type { ProcessIdentity } from "../../src/job/identity.ts";
import type { Processes } from "../../src/ports.ts";
import { Grip } from "../../src/recover/grip.ts";
import { attempt, leader, running, shim, starting } from "./started.ts";

const { id } = running;
const nobody = {
  open: () => "mismatch",
  observe: () => ({ kind: "absent" }),
} as unknown as Processes;

function holding() {
  const watched: number[] = [];
  const processes = {
    observe: () => ({ kind: "absent" }),
    open: (identity: ProcessIdentity) => ({
      identity,
      whenEnded: () => watched.push(identity.pid),
      exitStatus: () => undefined,
      close: () => {},
    }),
  } as unknown as Processes;
  return { watched, grip: new Grip(processes, () => {}, () => {}) };
}

Deno.test("the end of a job that nobody can hold any more is told at once", () => {
  const told: number[] = [];
  new Grip(nobody, (id) => told.push(id), () => {}).take(running, shim, leader);
  assertEquals(told, [id]);
});

Deno.test("a leader that lost its shim, and ended before it could be held, is known when it is reaped", () => {
  const grip = new Grip(nobody, () => {}, () => {});
  const exit = { code: 7, signal: 0 };
  const hear = grip.listenTo(id, attempt.number, attempt.token, 1);
  hear({ kind: "led", leader, atMs: 1 });
  assertEquals(grip.reaped({ pid: shim.pid, exit: { code: 0, signal: 9 } }, 2000), undefined);
  assertEquals(grip.reaped({ pid: leader.pid, exit }, 2000), id);
  assertEquals(grip.leaderExit(id), exit);
});

Deno.test("so is one that was taken when it had ended already, as it was seen a moment before", () => {
  const grip = new Grip(nobody, () => {}, () => {});
  const exit = { code: 7, signal: 0 };
  grip.listenTo(id, attempt.number, attempt.token, 1);
  grip.take(running, shim, leader);
  assertEquals(grip.reaped({ pid: leader.pid, exit }, 2000), id);
  assertEquals(grip.leaderExit(id), exit);
});

Deno.test("a job that is taken hold of twice, as when a turn is done again, is watched once", () => {
  const { grip, watched } = holding();
  grip.take(running, shim, leader);
  grip.take(running, shim, leader);
  assertEquals(watched, [shim.pid]);
});

Deno.test("what comes of an attempt when its job has been let go of leaves the next attempt alone", () => {
  const grip = new Grip(nobody, () => {}, () => {});
  const first = grip.listenTo(id, 1, "first", 1);
  grip.letGo(id);
  grip.listenTo(id, 2, "second", 2);
  first({ kind: "notForked", refusal: { why: "no processes", by: "node" } });
  const second = { ...starting, attempt: { ...attempt, number: 2, token: "second" } };
  assertEquals(grip.told(second), {});
  assertEquals(grip.told(starting), undefined);
});

Deno.test("a shim is heard that is the one of the attempt, and no other", () => {
  const { grip } = holding();
  grip.take(running, shim, leader);
  const who = { id, attempt: attempt.number, token: attempt.token, shimPid: shim.pid };
  assertEquals(grip.greet({ ...who, token: "another" }), undefined);
  assertEquals(grip.greet({ ...who, attempt: 99 }), undefined);
  assertEquals(grip.greet({ ...who, shimPid: 1 }), undefined);
  assertEquals(grip.greet({ ...who, id: 99 }), undefined);
  const old = grip.greet(who)!;
  const now = grip.greet(who)!;
  now({ kind: "led", leader, atMs: 1 });
  old({ kind: "silent" });
  const { isSilent, ...told } = grip.told(running)!;
  assertEquals([told.leader, told.startedAtMs, isSilent], [leader, 1, undefined]);
});

Deno.test("how a leader ended that was reaped before its job could be looked at is remembered", () => {
  const grip = new Grip(nobody, () => {}, () => {});
  const exit = { code: 7, signal: 0 };
  assertEquals(grip.reaped({ pid: leader.pid, exit }, 2000), undefined);
  assertEquals(grip.strayExit(leader), exit);
  const another = { pid: leader.pid, startTicks: 201 };
  assertEquals(grip.strayExit(another), undefined, "one that was born afterwards");
});

Deno.test("strays are remembered for a while, and their number has a bound", () => {
  const grip = new Grip(nobody, () => {}, () => {});
  const exit = { code: 7, signal: 0 };
  for (let pid = 1; pid <= 10_000; pid++) grip.reaped({ pid, exit }, 2000);
  const known = Array.from({ length: 10_000 }, (_, i) => ({ pid: i + 1, startTicks: 1 }))
    .filter((one) => grip.strayExit(one));
  assertEquals([known.length < 1000, known.at(-1)!.pid], [true, 10_000]);
});
