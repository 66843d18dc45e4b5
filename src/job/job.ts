/**
 * A job, one shape per state, and `transition`, the one function that changes it: used live and on
 * replay. The command and the environment are not here: they are read from the journal when needed,
 * so that 100,000 queued jobs stay small.
 */

import { type ExitStatus, isSuccess } from "./exit_status.ts";
import type { Ground, ProcessIdentity } from "./identity.ts";
import { nameOf } from "./job_array.ts";
import type { Pin } from "./spec.ts";

export const END_STATES = ["COMPLETED", "FAILED", "CANCELLED"] as const;
export const LIVE_STATES = ["QUEUED", "STARTING", "RUNNING"] as const;
export const REASONS = [
  "exit",
  "signal",
  "timeout",
  "cancelled",
  "shutdown",
  "interrupted",
  "reboot",
  "startFailed",
  "outOfMemory",
  "dependency",
] as const;
export const STOPS = ["cancel", "timeout", "shutdown"] as const;

export type EndState = (typeof END_STATES)[number];
export type State = (typeof LIVE_STATES)[number] | EndState;
export type Reason = (typeof REASONS)[number];
export type Stop = (typeof STOPS)[number];

/**
 * What scheduling and stopping need to know of the spec. Jobs that need the same share one, as those
 * of an array do.
 */
export interface Demand {
  readonly cpus: number;
  /** bytes */
  readonly memory: number;
  readonly priority: number;
  readonly after: readonly number[];
  /** 0 for none */
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly pool?: string;
  readonly pin?: Pin;
  /** Wall clock, ms since 1970. */
  readonly notBeforeMs?: number;
  /** The array it belongs to, and how many of that may run at once. */
  readonly array?: { readonly id: number; readonly atOnce?: number };
}

/** One attempt to start a job. Its token is in the environment of all its processes. */
export interface Attempt {
  /** 1 for the first; a fenced attempt is followed by the next number. */
  readonly number: number;
  readonly token: string;
  readonly ground: Ground;
  /** The directory of its cgroup, absolute; absent where there is none. */
  readonly cgroup?: string;
  /** The CPUs of a pinned job, ascending. */
  readonly cpuSet?: readonly number[];
}

/** A stop that has been asked for and not yet brought to its end. */
export interface Stopping {
  readonly kind: Stop;
  /** ms since boot (CLOCK_BOOTTIME), so that a jump of the wall clock moves nothing. */
  readonly sinceBootMs: number;
}

export interface Usage {
  userTimeMs: number;
  systemTimeMs: number;
  /** bytes */
  maxMemory?: number;
  /** bytes from and to storage */
  readBytes?: number;
  writtenBytes?: number;
}

interface Common {
  readonly id: number;
  readonly demand: Demand;
  /** Of a job of an array: its index in it. */
  readonly index?: number;
  /** 0 before the first attempt. */
  readonly attempts: number;
  /** Wall clock, ms since 1970. */
  readonly submittedAtMs: number;
  /** ms by which that is ahead of the steady clock; absent for none. */
  readonly aheadMs?: number;
}

export interface QueuedJob extends Common {
  readonly state: "QUEUED";
  /** Waits until it is released. */
  readonly held: boolean;
}

export interface StartingJob extends Common {
  readonly state: "STARTING";
  readonly attempt: Attempt;
  readonly stopping?: Stopping;
}

export interface RunningJob extends Common {
  readonly state: "RUNNING";
  readonly attempt: Attempt;
  /** Absent when it died before it could sign its claim. */
  readonly shim?: ProcessIdentity;
  readonly leader: ProcessIdentity;
  readonly startedAtMs: number;
  readonly adopted: boolean;
  readonly stopping?: Stopping;
}

export interface EndedJob extends Common {
  readonly state: EndState;
  readonly end: End;
}

export type StartedJob = StartingJob | RunningJob;
export type LiveJob = QueuedJob | StartedJob;
export type Job = LiveJob | EndedJob;

export interface End {
  readonly state: EndState;
  readonly reason: Reason;
  readonly message?: string;
  /** Absent when nothing was ever executed. */
  readonly exit?: ExitStatus;
  readonly usage?: Usage;
  /** Wall clock, ms since 1970. */
  readonly startedAtMs?: number;
  readonly endedAtMs: number;
  /** ms since the start by the boot clock, where known. */
  readonly elapsedMs?: number;
}

export type Change =
  | { readonly kind: "starting"; readonly attempt: Attempt }
  | { readonly kind: "fenced" }
  | { readonly kind: "held" }
  | { readonly kind: "released" }
  | {
    readonly kind: "running";
    readonly shim?: ProcessIdentity;
    readonly leader: ProcessIdentity;
    readonly startedAtMs: number;
    readonly adopted: boolean;
  }
  | { readonly kind: "stopping"; readonly stopping: Stopping }
  | { readonly kind: "ended"; readonly end: End };

/** Throws on a change that the state does not allow: that is a mistake of ours, never of a client. */
export function transition(job: Job, change: Change): Job {
  const { id, demand, index, attempts, submittedAtMs, aheadMs } = job;
  const common = { id, demand, index, attempts, submittedAtMs, aheadMs };
  switch (change.kind) {
    case "starting": {
      if (job.state !== "QUEUED" || job.held) break;
      const { attempt } = change;
      return { ...common, attempts: attempt.number, state: "STARTING", attempt };
    }
    case "fenced":
      if (job.state !== "STARTING" || job.stopping) break;
      return { ...common, state: "QUEUED", held: false };
    case "held":
    case "released":
      if (job.state !== "QUEUED") break;
      return { ...job, held: change.kind === "held" };
    case "running": {
      const adopting = job.state === "RUNNING" && change.adopted;
      if (job.state !== "STARTING" && !adopting) break;
      const { shim, leader, startedAtMs, adopted } = change;
      const running = { shim, leader, startedAtMs, adopted, stopping: job.stopping };
      return { ...common, state: "RUNNING", attempt: job.attempt, ...running };
    }
    case "stopping":
      if ((job.state !== "STARTING" && job.state !== "RUNNING") || job.stopping) break;
      return { ...job, stopping: change.stopping };
    case "ended":
      if (isEnded(job)) break;
      return { ...common, state: change.end.state, end: change.end };
  }
  throw new Error(`job ${id}: ${job.state} does not allow "${change.kind}"`);
}

/** As people call it. */
export function nameOfJob({ id, index, demand: { array } }: Job): string {
  return nameOf(id, array && index !== undefined ? { id: array.id, index } : undefined);
}

export function isEnded(job: Job): job is EndedJob {
  return isEndState(job.state);
}

export function isEndState(state: State): state is EndState {
  return state === "COMPLETED" || state === "FAILED" || state === "CANCELLED";
}

export function isStarted(job: Job): job is StartedJob {
  return job.state === "STARTING" || job.state === "RUNNING";
}

/** The state and reason of a job whose leader ended by itself. */
export function ownEnd(exit: ExitStatus): Pick<End, "state" | "reason"> {
  if (isSuccess(exit)) return { state: "COMPLETED", reason: "exit" };
  return { state: "FAILED", reason: exit.signal ? "signal" : "exit" };
}

/** The state and reason of a job that was stopped. */
export function stoppedEnd(kind: Stop): Pick<End, "state" | "reason"> {
  return kind === "cancel"
    ? { state: "CANCELLED", reason: "cancelled" }
    : { state: "FAILED", reason: kind };
}

/** Why a job ends that was to follow another. `name`: the other's, as people call it. */
export function notCompleted(name: string): string {
  return `job ${name}, which it was to follow, did not complete`;
}
