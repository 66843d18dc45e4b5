/**
 * What to do next with a job that was started: one step, from what the journal says, what was seen
 * and the time. Every happening leads here, so nothing depends on which hint came, or whether it did.
 */

import type { Change, StartedJob } from "../job/job.ts";
import { MS_PER_TICK, type ProcessIdentity } from "../job/identity.ts";
import {
  type Evidence,
  isPreparing,
  ranBefore,
  stoppedBeforeStart,
  verdict,
} from "../recover/verdict.ts";

/** What this supervisor has done so far towards a job's end. It is lost with it, and done again. */
export interface Progress {
  /** SIGTERM has been sent to the process group. */
  readonly asked: boolean;
  /** When its leader was first seen to have ended, ms since boot. */
  readonly overSinceBootMs?: number;
  /** SIGTERM has been sent to what the leader left behind. */
  readonly leftoversAsked: boolean;
  /** Looks at the family so far, each later than the one before. */
  readonly looks: number;
  /** SIGKILL has been sent to all of it so many times. */
  readonly kills: number;
}

export const NO_PROGRESS: Progress = { asked: false, leftoversAsked: false, looks: 0, kills: 0 };

export type Step =
  /** Nothing, until a hint, a time (ms since boot), or a failed check to be told and repeated. */
  | {
    readonly kind: "wait";
    readonly untilBootMs?: number;
    readonly unverifiable?: string;
    /** It is to be continued: somebody may have stopped it. */
    readonly shim?: ProcessIdentity;
  }
  /** To be journaled; then decide again. */
  | { readonly kind: "journal"; readonly change: Change }
  /** Forbid the attempt by claiming it; then look again. */
  | { readonly kind: "fence" }
  /** SIGTERM to the process group; then look again. */
  | { readonly kind: "ask" }
  /** Count the family; then decide again with its members. */
  | { readonly kind: "lookAtFamily" }
  /** SIGTERM to these; then look again. */
  | { readonly kind: "askFamily"; readonly members: readonly ProcessIdentity[] }
  /** SIGKILL to these; then look again. */
  | { readonly kind: "killFamily"; readonly members: readonly ProcessIdentity[] };

/** For a start of which nothing is told. */
export const START_POLL_MS = 500;
export const UNVERIFIABLE_POLL_MS = 5000;
const FIRST_FAMILY_POLL_MS = 5;
const LAST_FAMILY_POLL_MS = 2000;

export function nextStep(
  job: StartedJob,
  seen: Evidence,
  family: readonly ProcessIdentity[] | undefined,
  progress: Progress,
  nowBootMs: number,
): Step {
  const found = verdict(job, seen);
  switch (found.kind) {
    case "unverifiable":
      return {
        kind: "wait",
        untilBootMs: nowBootMs + UNVERIFIABLE_POLL_MS,
        unverifiable: found.cause,
      };
    case "fence":
      return { kind: "fence" };
    case "withdrawn":
      return journal(
        job.stopping
          ? { kind: "ended", end: stoppedBeforeStart(job, seen.atMs) }
          : { kind: "fenced" },
      );
    case "running":
      return journal(found.change);
    case "over": {
      const ran = ranBefore(job, seen);
      if (ran) return journal(ran);
      // On another ground too: what runs in a pid namespace below ours is found by its token.
      if (!family) return { kind: "lookAtFamily" };
      if (family.length === 0) return journal({ kind: "ended", end: found.end });
      // Without a name the leader has not executed the command yet, and shall not: no grace.
      const mayHaveRun = seen.leaderIdentity !== undefined || seen.claim === "lost";
      const killAt = mayHaveRun ? graceEnd(job, progress, nowBootMs) : nowBootMs;
      return endFamily(family, killAt, progress, nowBootMs);
    }
    case "keep":
      return keep(job, seen, family, progress, nowBootMs);
  }
}

function keep(
  job: StartedJob,
  seen: Evidence,
  family: readonly ProcessIdentity[] | undefined,
  progress: Progress,
  nowBootMs: number,
): Step {
  const hasEnded = leaderHasEnded(seen);
  if (!hasEnded && !job.stopping) return untilDeadline(job, seen, nowBootMs);
  const untilBootMs = nowBootMs + UNVERIFIABLE_POLL_MS;
  // Its shim will tell its exit, which decides, however late that is.
  const step: Step = job.stopping
    ? stop(job, seen, family, progress, nowBootMs)
    : { kind: "wait", untilBootMs };
  if (step.kind !== "wait" || !hasEnded) return step;
  return {
    ...step,
    untilBootMs: Math.min(step.untilBootMs ?? Infinity, untilBootMs),
    shim: seen.shimIdentity,
  };
}

/** Whether a stop that is asked for now comes too late: then the job's own exit decides. */
export function hasEndedByItself(job: StartedJob, seen: Evidence): boolean {
  return verdict(job, seen).kind === "over" || leaderHasEnded(seen);
}

function leaderHasEnded(seen: Evidence): boolean {
  return seen.leaderIdentity !== undefined && seen.leader === "mismatch";
}

/** ms since boot; undefined without a timeout or before the start. */
export function deadlineBootMs(job: StartedJob): number | undefined {
  return job.state === "RUNNING" ? deadlineOf(job, job.leader) : undefined;
}

function deadlineOf({ demand }: StartedJob, leader?: ProcessIdentity): number | undefined {
  if (!leader || demand.timeoutMs === 0) return undefined;
  return leader.startTicks * MS_PER_TICK + demand.timeoutMs;
}

function untilDeadline(job: StartedJob, seen: Evidence, nowBootMs: number): Step {
  const isStarting = job.state === "STARTING";
  const deadline = deadlineOf(job, isStarting ? seen.leaderIdentity : job.leader) ?? Infinity;
  if (nowBootMs < deadline) {
    if (isStarting) {
      return {
        kind: "wait",
        untilBootMs: Math.min(deadline, nowBootMs + START_POLL_MS),
        shim: seen.shimIdentity,
      };
    }
    return { kind: "wait", untilBootMs: deadline === Infinity ? undefined : deadline };
  }
  return journal({ kind: "stopping", stopping: { kind: "timeout", sinceBootMs: nowBootMs } });
}

function stop(
  job: StartedJob,
  seen: Evidence,
  family: readonly ProcessIdentity[] | undefined,
  progress: Progress,
  nowBootMs: number,
): Step {
  if (job.state === "STARTING") {
    // The shim is there but has not said who its leader is: whoever claims first decides.
    if (seen.claim === "none") return { kind: "fence" };
    if (isPreparing(job, seen)) {
      const killAt = job.stopping!.sinceBootMs + job.demand.graceMs;
      return family ? endFamily(family, killAt, progress, nowBootMs) : { kind: "lookAtFamily" };
    }
    return {
      kind: "wait",
      untilBootMs: nowBootMs + FIRST_FAMILY_POLL_MS * 4,
      shim: seen.shimIdentity,
    };
  }
  const killAt = job.stopping!.sinceBootMs + job.demand.graceMs;
  if (nowBootMs < killAt) {
    return progress.asked ? { kind: "wait", untilBootMs: killAt } : { kind: "ask" };
  }
  if (!family) return { kind: "lookAtFamily" };
  if (family.length === 0) return { kind: "wait", untilBootMs: nowBootMs + familyPollMs(progress) };
  return endFamily(family, killAt, progress, nowBootMs);
}

function endFamily(
  members: readonly ProcessIdentity[],
  killAtBootMs: number,
  progress: Progress,
  nowBootMs: number,
): Step {
  if (nowBootMs >= killAtBootMs) return { kind: "killFamily", members };
  if (!progress.leftoversAsked) return { kind: "askFamily", members };
  const poll = Math.min(killAtBootMs, nowBootMs + familyPollMs(progress));
  return { kind: "wait", untilBootMs: poll };
}

function graceEnd(job: StartedJob, progress: Progress, nowBootMs: number): number {
  const since = job.stopping?.sinceBootMs ?? progress.overSinceBootMs ?? nowBootMs;
  return since + job.demand.graceMs;
}

/** How long to wait after a signal to a family before looking whether it worked. */
export function familyPollMs(progress: Progress): number {
  return Math.min(LAST_FAMILY_POLL_MS, FIRST_FAMILY_POLL_MS * 2 ** Math.min(progress.looks, 12));
}

function journal(change: Change): Step {
  return { kind: "journal", change };
}
