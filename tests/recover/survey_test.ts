/** What is seen of a job while its files are being written, and of what its shim has told. */

import { assertEquals } from "../assert.ts";
import type { Claim, Clock, Files, Processes, RunRecords } from "../../src/ports.ts";
import { Grip } from "../../src/recover/grip.ts";
import { Survey } from "../../src/recover/survey.ts";
import { attempt, ground, leader, running, shim, starting } from "./started.ts";

const SIGNED: Claim = { kind: "signed", shim, token: attempt.token };
const clock = { wallMs: () => 1, bootMs: () => 1 } as Clock;

function machine(files: Partial<RunRecords>, alive = [shim, leader]) {
  const observe = (pid: number) => {
    const found = alive.find((one) => one.pid === pid);
    return found
      ? { kind: "present", startTicks: found.startTicks, zombie: false }
      : { kind: "absent" };
  };
  return {
    clock,
    processes: { ground, observe, living: () => [] } as unknown as Processes,
    files: {
      claim: () => undefined,
      leader: () => undefined,
      startedAtMs: () => 1,
      exitRecord: () => undefined,
      finalUsage: () => undefined,
      hasRun: () => true,
      ...files,
    } as unknown as Files,
  };
}

for (const before of [undefined, { kind: "unsigned" }] as const) {
  const was = before ? "was not signed" : "was not there";
  Deno.test(`a leader whose claim ${was} when it was read has a shim all the same`, () => {
    const claims = [before, SIGNED, SIGNED];
    const survey = new Survey(machine({ claim: () => claims.shift(), leader: () => leader }));
    const seen = survey.look(starting);
    assertEquals([seen.claim, seen.shim, seen.leader], ["shim", "match", "match"]);
    assertEquals([seen.shimIdentity, seen.leaderIdentity], [shim, leader]);
  });
}

Deno.test("a job whose end was told is judged without a look at its files", () => {
  const unread = () => {
    throw new Error("read");
  };
  const parts = machine({ claim: unread, leader: unread, exitRecord: unread, finalUsage: unread });
  const grip = new Grip(parts.processes, () => {}, () => {});
  const survey = new Survey({ ...parts, grip });
  const hear = grip.listenTo(starting.id, attempt.number, attempt.token, 1);
  const usage = { userTimeMs: 1, systemTimeMs: 2 };
  const exit = { code: 7, signal: 0 };
  hear({ kind: "claimed", shim });
  hear({ kind: "led", leader, atMs: 5 });
  hear({ kind: "ended", end: { exit, usage, atMs: 6 } });
  hear({ kind: "empty", usage });
  const seen = survey.look(starting);
  assertEquals([seen.exit?.status, seen.startedAtMs, seen.unreadable], [exit, 5, undefined]);
  assertEquals(survey.family(starting), []);
});

Deno.test("a shim that was asked for is on its way until its line is closed, or for some seconds", () => {
  let nowMs = 1;
  const parts = { ...machine({}), clock: { wallMs: () => 1, bootMs: () => nowMs } as Clock };
  const grip = new Grip(parts.processes, () => {}, () => {});
  const survey = new Survey({ ...parts, grip });
  const look = () => {
    const { claim, shim } = survey.look(starting);
    return [claim, shim];
  };
  const hear = grip.listenTo(starting.id, attempt.number, attempt.token, 1);
  assertEquals(look(), ["none", "match"]);
  nowMs = 60_000;
  assertEquals(look(), ["none", "mismatch"]);
  nowMs = 1;
  hear({ kind: "silent" });
  assertEquals(look(), ["none", "mismatch"]);
});

Deno.test("a claim that is missing with its run directory is lost, not open", () => {
  assertEquals(new Survey(machine({ hasRun: () => false })).look(starting).claim, "lost");
});

Deno.test("a stray leader's end is that of its job where its shim is gone, on the same ground alone", () => {
  const exit = { code: 0, signal: 15 };
  const ended = (bootId: string) => {
    const grip = new Grip({} as Processes, () => {}, () => {});
    grip.reaped({ pid: leader.pid, exit }, 2000);
    const survey = new Survey({ ...machine({ claim: () => SIGNED }, []), grip });
    return survey.look({ ...running, attempt: { ...attempt, ground: { ...ground, bootId } } }).exit;
  };
  assertEquals(ended(ground.bootId)?.status, exit);
  assertEquals(ended("another"), undefined);
});
