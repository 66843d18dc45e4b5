import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import {
  isEnded,
  type Job,
  type RunningJob,
  type StartedJob,
  transition,
} from "../../src/job/job.ts";
import type { Evidence } from "../../src/recover/verdict.ts";
import {
  hasEndedByItself,
  nextStep,
  NO_PROGRESS,
  type Progress,
} from "../../src/supervisor/decide.ts";
import { demand, leader, running, shim, starting } from "../recover/started.ts";

const alive: Evidence = {
  sameGround: true,
  held: true,
  claim: "shim",
  shim: "match",
  shimIdentity: shim,
  leader: "match",
  leaderIdentity: leader,
  startedAtMs: 1,
  atMs: 9,
};
const exited: Evidence = {
  ...alive,
  leader: "mismatch",
  shim: "mismatch",
  exit: { status: { code: 7, signal: 0 }, atMs: 8 },
};
const cancelled: RunningJob = { ...running, stopping: { kind: "cancel", sinceBootMs: 2000 } };
const START_MS = 1000;

Deno.test("a running job waits for its deadline, counted from its start ticks", () => {
  assertEquals(nextStep(running, alive, undefined, NO_PROGRESS, 2000), {
    kind: "wait",
    untilBootMs: START_MS + 5000,
  });
  const endless = { ...running, demand: { ...demand, timeoutMs: 0 } };
  assertEquals(nextStep(endless, alive, undefined, NO_PROGRESS, 2000), {
    kind: "wait",
    untilBootMs: undefined,
  });
});

Deno.test("at its deadline the intent is journaled before anybody is signalled", () => {
  const step = nextStep(running, alive, undefined, NO_PROGRESS, 6000);
  assertEquals(step, {
    kind: "journal",
    change: { kind: "stopping", stopping: { kind: "timeout", sinceBootMs: 6000 } },
  });
});

Deno.test("a stop asks once, waits for the grace period, then kills the whole family", () => {
  assertEquals(nextStep(cancelled, alive, undefined, NO_PROGRESS, 2100).kind, "ask");
  const asked = { ...NO_PROGRESS, asked: true };
  assertEquals(nextStep(cancelled, alive, undefined, asked, 2100), {
    kind: "wait",
    untilBootMs: 3000,
  });
  assertEquals(nextStep(cancelled, alive, undefined, asked, 3000).kind, "lookAtFamily");
  assertEquals(nextStep(cancelled, alive, [leader], asked, 3000), {
    kind: "killFamily",
    members: [leader],
  });
});

Deno.test("an ended job waits for its leftovers: SIGTERM, then SIGKILL, then the end", () => {
  assertEquals(nextStep(running, exited, undefined, NO_PROGRESS, 2000).kind, "lookAtFamily");
  const left = [{ pid: 12, startTicks: 7 }];
  const seen: Progress = { ...NO_PROGRESS, overSinceBootMs: 2000, looks: 1 };
  assertEquals(nextStep(running, exited, left, seen, 2000), { kind: "askFamily", members: left });
  assertEquals(
    nextStep(running, exited, left, { ...seen, leftoversAsked: true }, 2500).kind,
    "wait",
  );
  assertEquals(nextStep(running, exited, left, { ...seen, leftoversAsked: true }, 3000), {
    kind: "killFamily",
    members: left,
  });
  const step = nextStep(running, exited, [], seen, 3100);
  assert(step.kind === "journal" && step.change.kind === "ended");
});

Deno.test("a job that ran before we saw it is RUNNING in the journal before it ends there", () => {
  const seen = { ...exited, isExecuted: true };
  const step = nextStep(starting, seen, undefined, NO_PROGRESS, 2000);
  assert(step.kind === "journal" && step.change.kind === "running" && !step.change.adopted);
});

Deno.test("one of which nobody knows whether it ran is told neither as RUNNING nor as started", () => {
  const gone: Evidence = { ...alive, leader: "mismatch", shim: "mismatch" };
  const killed = { status: { code: 0, signal: 9 }, atMs: 8 };
  for (const seen of [gone, { ...gone, exit: killed }]) {
    const step = nextStep(starting, seen, [], { ...NO_PROGRESS, looks: 1 }, 2000);
    assert(step.kind === "journal" && step.change.kind === "ended");
    assertEquals(step.change.end.startedAtMs, undefined);
  }
});

Deno.test("a stop of a job that no shim has claimed yet fences it; fenced, it ends without having run", () => {
  const stopping: StartedJob = { ...starting, stopping: { kind: "cancel", sinceBootMs: 1 } };
  const unclaimed: Evidence = {
    ...alive,
    claim: "none",
    leaderIdentity: undefined,
    leader: "mismatch",
  };
  assertEquals(nextStep(stopping, unclaimed, undefined, NO_PROGRESS, 2).kind, "fence");
  const step = nextStep(stopping, { ...unclaimed, claim: "fence" }, undefined, NO_PROGRESS, 2);
  assert(step.kind === "journal" && step.change.kind === "ended");
  assertEquals([step.change.end.state, step.change.end.exit], ["CANCELLED", undefined]);
});

Deno.test("a stop comes too late for a leader that has ended, whether or not its record is there", () => {
  assertEquals(hasEndedByItself(running, exited), true);
  assertEquals(hasEndedByItself(running, { ...alive, leader: "mismatch" }), true);
  assertEquals(hasEndedByItself(running, alive), false);
});

/** Members of a family and a shim that do what they are told after so many askings. */
interface World {
  leaderAlive: boolean;
  shimAlive: boolean;
  recorded: boolean;
  others: number;
  deaf: number;
}

Deno.test("whatever its family is like, a job ends once, only with nobody left, in bounded steps", () => {
  const world = fc.record({
    leaderAlive: fc.boolean(),
    shimAlive: fc.boolean(),
    recorded: fc.constant(false),
    others: fc.nat(3),
    deaf: fc.nat(4),
  });
  fc.assert(
    fc.property(
      world,
      fc.constantFrom(undefined, cancelled.stopping),
      fc.boolean(),
      (start, stopping, timesOut) => {
        const w: World = { ...start };
        let job: Job = {
          ...running,
          stopping,
          demand: { ...demand, timeoutMs: timesOut ? 5000 : 0 },
        };
        let progress: Progress = NO_PROGRESS;
        let now = 2000;
        for (let i = 0; i < 200; i++) {
          if (!w.leaderAlive && w.shimAlive) {
            Object.assign(w, {
              shimAlive: false,
              recorded: true,
            });
          }
          const seen: Evidence = {
            ...alive,
            shim: w.shimAlive ? "match" : "mismatch",
            leader: w.leaderAlive ? "match" : "mismatch",
            exit: w.recorded ? exited.exit : undefined,
          };
          const members = Array.from(
            { length: w.others },
            (_, i) => ({ pid: 20 + i, startTicks: 1 }),
          );
          const everyone = w.leaderAlive ? [leader, ...members] : members;
          let step = nextStep(job as StartedJob, seen, undefined, progress, now);
          if (step.kind === "lookAtFamily") {
            if (everyone.length > 0) {
              progress = {
                ...progress,
                looks: progress.looks + 1,
                overSinceBootMs: progress.overSinceBootMs ?? now,
              };
            }
            step = nextStep(job as StartedJob, seen, everyone, progress, now);
          }
          if (step.kind === "journal") {
            if (step.change.kind === "ended") {
              assertEquals(
                [w.leaderAlive, w.shimAlive, w.others],
                [false, false, 0],
              );
            }
            job = transition(job, step.change);
            if (isEnded(job)) return;
          } else if (step.kind === "wait") {
            now = step.untilBootMs ?? now + 100_000;
            if (step.untilBootMs === undefined) w.leaderAlive = false; // it ends by itself at last
          } else if (step.kind === "ask") {
            progress = { ...progress, asked: true };
            if (w.deaf-- <= 0) w.leaderAlive = false;
          } else if (step.kind === "askFamily") {
            progress = { ...progress, leftoversAsked: true };
            if (w.deaf-- <= 0) w.others = 0;
          } else if (step.kind === "killFamily") {
            w.leaderAlive &&= !step.members.some(({ pid }) => pid === leader.pid);
            w.others = Math.max(0, w.others - step.members.length);
            now += 5;
          } else throw new Error(`unexpected ${step.kind}`);
        }
        throw new Error("it never ended");
      },
    ),
    { numRuns: 2000 },
  );
});
