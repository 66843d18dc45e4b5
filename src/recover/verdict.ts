/**
 * What the evidence says of a job that was started: the table of recovery, used at start, at every
 * look while we run, and in the plan that `recover --dry-run` prints.
 */

import { type ExitStatus, isSuccess, UNKNOWN_EXIT } from "../job/exit_status.ts";
import { type Check, type ProcessIdentity, UNKNOWN_GROUND } from "../job/identity.ts";
import {
  type Change,
  type End,
  ownEnd,
  type Reason,
  type StartedJob,
  stoppedEnd,
  type Usage,
} from "../job/job.ts";
import type { Refusal } from "../ports.ts";

/** What was seen of a job. */
export interface Evidence {
  /** Whether pids still mean what they meant when the job was started. */
  readonly sameGround: boolean;
  /** Whether this supervisor has started it, or has adopted it before. */
  readonly held: boolean;
  /** shim: claimed to be run; fence: forbidden; lost: it was removed with its run directory, if it was there. */
  readonly claim: "none" | "fence" | "shim" | "lost";
  /** Whether it is there, or still on its way. */
  readonly shim: Check;
  readonly shimIdentity?: ProcessIdentity;
  readonly leader: Check;
  readonly leaderIdentity?: ProcessIdentity;
  /** What the leader is about while it has not executed the command, in words. */
  readonly startStep?: string;
  /** Whether it is known that the command was executed; of one that is STARTING nobody may know. */
  readonly isExecuted?: boolean;
  readonly startedAtMs?: number;
  readonly exit?: Exit;
  /** Whether the kernel has killed some of its processes for want of memory. */
  readonly ranOutOfMemory?: boolean;
  readonly refusal?: Refusal;
  /** Why something could not be looked at. */
  readonly unreadable?: string;
  /** Wall clock, ms since 1970, at the look. */
  readonly atMs: number;
}

export interface Exit {
  readonly status: ExitStatus;
  readonly usage?: Usage;
  readonly atMs: number;
}

type RunningChange = Change & { kind: "running" };

export type Verdict =
  /** A shim or a held process answers for it. */
  | { readonly kind: "keep" }
  /** It runs, and the journal does not say so yet, or not under this supervisor. */
  | { readonly kind: "running"; readonly change: RunningChange }
  /** Nobody has claimed it: forbid it, then look again. */
  | { readonly kind: "fence" }
  /** It was forbidden before it ran. */
  | { readonly kind: "withdrawn" }
  /** Its leader has ended, or can never be found. */
  | { readonly kind: "over"; readonly end: End }
  | { readonly kind: "unverifiable"; readonly cause: string };

export const STATUS_UNKNOWN = "the exit status is unknown";

const KILLED_BEFORE = "its shim was killed before it could start the command, which has not run";
const KILLED_WITHIN = "its shim was killed while it was started, so nobody knows whether it ran";
const DIRECTORY_GONE =
  "its run directory was removed while it was started, so nobody knows whether it ran";

export function verdict(job: StartedJob, seen: Evidence): Verdict {
  const isStarting = job.state === "STARTING";
  if (isStarting && seen.refusal?.by === "node") return { kind: "withdrawn" };
  if (seen.refusal !== undefined) return over(refused(job, seen, seen.refusal.why));
  if (seen.exit) return over(endedBy(job, seen, seen.exit));
  if (seen.unreadable !== undefined) return { kind: "unverifiable", cause: seen.unreadable };
  if (job.attempt.ground.bootId === UNKNOWN_GROUND.bootId) {
    return over(
      lost(job, seen, "interrupted", "its end is lost with the journal, and may be a good one"),
    );
  }
  if (!seen.sameGround) return over(lost(job, seen, "reboot"));
  if (isStarting && seen.claim === "fence") return { kind: "withdrawn" };
  if (seen.shim === "unverifiable") return unverifiable("shim", seen.shimIdentity);
  if (seen.shim === "match" && !seen.leaderIdentity) return { kind: "keep" };
  if (seen.leader === "unverifiable") return unverifiable("leader", seen.leaderIdentity);
  if (seen.shim === "match" || seen.leader === "match") {
    const isKnown = isStarting ? isPreparing(job, seen) || isTelling(job, seen) : seen.held;
    return isKnown ? { kind: "keep" } : { kind: "running", change: running(seen, !seen.held) };
  }
  if (isStarting && seen.claim === "none") return { kind: "fence" };
  if (isStarting && seen.claim === "lost" && !seen.leaderIdentity) {
    return over(lost(job, seen, "interrupted", DIRECTORY_GONE));
  }
  if (isStarting && !seen.leaderIdentity) return over(refused(job, seen, KILLED_BEFORE));
  return over(lost(job, seen, "interrupted", hasRun(job, seen) ? undefined : KILLED_WITHIN));
}

/** Whether its leader is there and has not executed the command yet, which may take long or for ever. */
export function isPreparing(job: StartedJob, seen: Evidence): boolean {
  return job.state === "STARTING" && seen.startStep !== undefined && seen.leader === "match";
}

/** Whether its leader has ended and its shim is about to tell whether it had executed anything. */
function isTelling(job: StartedJob, seen: Evidence): boolean {
  return job.state === "STARTING" && seen.leader === "mismatch" && !seen.isExecuted;
}

/** The change that says that a job ran, for one whose end is seen before its start was journaled. */
export function ranBefore(job: StartedJob, seen: Evidence): RunningChange | undefined {
  const ran = job.state === "STARTING" && seen.leaderIdentity && seen.refusal === undefined;
  return ran && hasRun(job, seen) ? running(seen, false) : undefined;
}

function hasRun(job: StartedJob, seen: Evidence): boolean {
  return job.state === "RUNNING" || seen.isExecuted === true;
}

function running(seen: Evidence, adopted: boolean): RunningChange {
  return {
    kind: "running",
    shim: seen.shimIdentity,
    leader: seen.leaderIdentity!,
    startedAtMs: seen.startedAtMs ?? seen.atMs,
    adopted,
  };
}

function over(end: End): Verdict {
  return { kind: "over", end };
}

function unverifiable(what: string, identity?: ProcessIdentity): Verdict {
  return { kind: "unverifiable", cause: `its ${what}, pid ${identity?.pid}, cannot be looked at` };
}

/**
 * A stop that was asked for while the job ran decides; else its own exit does, unless that is the
 * kernel's doing.
 */
function endedBy(job: StartedJob, seen: Evidence, exit: Exit): End {
  const ranOutOfMemory = seen.ranOutOfMemory && !isSuccess(exit.status);
  return {
    ...(job.stopping ? stopped(job) : ranOutOfMemory ? outOfMemory(job) : ownEnd(exit.status)),
    exit: exit.status,
    usage: exit.usage,
    startedAtMs: hasRun(job, seen) ? seen.startedAtMs : undefined,
    endedAtMs: exit.atMs,
  };
}

function outOfMemory(
  { demand: { memory } }: StartedJob,
): Pick<End, "state" | "reason" | "message"> {
  const message = memory > 0
    ? `it needed more than its memory of ${memoryText(memory)}`
    : "the node had no more memory for it, and the kernel killed it";
  return { state: "FAILED", reason: "outOfMemory", message };
}

function memoryText(bytes: number): string {
  const mebibytes = bytes / (1 << 20);
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : `${bytes} bytes`;
}

function refused(job: StartedJob, seen: Evidence, message: string): End {
  const own = { state: "FAILED", reason: "startFailed", message } as const;
  return { ...(job.stopping ? stopped(job) : own), endedAtMs: seen.exit?.atMs ?? seen.atMs };
}

const LOST: Partial<Record<Reason, string>> = {
  reboot: "the node or its container restarted while it ran",
  interrupted: "its shim was killed, so nobody saw how it ended",
};

function lost(job: StartedJob, seen: Evidence, reason: Reason, why = LOST[reason]): End {
  const own = { state: "FAILED", reason, message: `${why}; ${STATUS_UNKNOWN}` } as const;
  return {
    ...(job.stopping ? stopped(job) : own),
    exit: UNKNOWN_EXIT,
    startedAtMs: hasRun(job, seen) ? seen.startedAtMs : undefined,
    endedAtMs: seen.atMs,
  };
}

function stopped(job: StartedJob): Pick<End, "state" | "reason" | "message"> {
  const { kind } = job.stopping!;
  if (kind !== "timeout") return stoppedEnd(kind);
  const message = `ran longer than its timeout of ${job.demand.timeoutMs / 1000} s`;
  return { ...stoppedEnd(kind), message };
}

/** The end of a job that was stopped before its command was executed. */
export function stoppedBeforeStart(job: StartedJob, atMs: number): End {
  return { ...stopped(job), endedAtMs: atMs };
}
