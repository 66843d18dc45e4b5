/**
 * What runs/, exits/ and /proc tell of a job, and what follows where the journal is older than they
 * are: a job that the journal has waiting may have been started since, and must not be started again.
 */

import { UNKNOWN_EXIT } from "../job/exit_status.ts";
import { type Ground, UNKNOWN_GROUND } from "../job/identity.ts";
import { type Change, type End, isStarted, type LiveJob } from "../job/job.ts";
import type { JobProcess } from "../ports.ts";

/** The last attempt that a shim has claimed: the command may have been executed. */
export interface ClaimedAttempt {
  readonly number: number;
  /** Absent when the shim died before it could sign: then it has executed nothing, or is about to. */
  readonly token?: string;
  readonly atMs: number;
}

export interface Remains {
  readonly id: number;
  readonly hasDirectory: boolean;
  readonly claimed?: ClaimedAttempt;
  /** A valid exit record, which the shim wrote at this time. */
  readonly exitAtMs?: number;
  /** Whether its shim or its leader lives. */
  readonly isAlive: boolean;
  /** Every living process that carries the job's id and belongs to this state directory. */
  readonly processes: readonly JobProcess[];
  /** The shim, if it lives. */
  readonly shim?: JobProcess;
  /** The leader, if it lives and executes the job's command. */
  readonly leader?: JobProcess;
  /** Why its files could not be looked at. */
  readonly unreadable?: string;
}

/**
 * As many jobs as may be queued by default: so many ids can have been given after the newest that is
 * seen, where commits are lost.
 */
export const UNSEEN_IDS = 100_000;

/** The highest of these, 0 of none. There may be more than a call can have arguments. */
export function highest(numbers: readonly number[]): number {
  return numbers.reduce((high, number) => Math.max(high, number), 0);
}

/** A token that no process carries, for an attempt whose own is lost. */
export const lostToken = (id: number) => `lost-with-the-journal-${id}`;

/** Whether it is a shim, or a leader that has yet to execute the job's command. */
export function isNamedShim({ command }: JobProcess): boolean {
  return command.includes("holdfast-shim");
}

/** Changes that take a job to what has happened to it since; none when the journal is not older. */
export function caughtUp(job: LiveJob, found: Remains, ground: Ground, nowMs: number): Change[] {
  if (job.state === "RUNNING" || (isStarted(job) && job.stopping)) return [];
  const claimed = found.claimed ?? recorded(job, found);
  if (claimed && (!isStarted(job) || claimed.number > job.attempts)) {
    const attempt = {
      number: claimed.number,
      token: claimed.token ?? lostToken(job.id),
      ground: found.isAlive ? ground : UNKNOWN_GROUND,
    };
    const started: Change[] = [{ kind: "starting", attempt }];
    if (isStarted(job)) started.unshift({ kind: "fenced" });
    const isKnown = found.isAlive || found.exitAtMs !== undefined;
    return isKnown
      ? started
      : [...started, lost("it was started once already", claimed.atMs, nowMs)];
  }
  if (isStarted(job)) return [];
  const running = found.processes.find((process) => !isNamedShim(process));
  return running ? [lost(`it runs already, as pid ${running.pid}`, undefined, nowMs)] : [];
}

/** An exit record is enough to know that it ran. */
function recorded(job: LiveJob, { exitAtMs }: Remains): ClaimedAttempt | undefined {
  if (exitAtMs === undefined || isStarted(job)) return undefined;
  return { number: job.attempts + 1, atMs: exitAtMs };
}

function lost(what: string, startedAtMs: number | undefined, endedAtMs: number): Change {
  const message = `${what}, and the journal is older than that; the exit status is unknown`;
  const how = { state: "FAILED", reason: "interrupted", message, exit: UNKNOWN_EXIT } as const;
  const end: End = { ...how, startedAtMs, endedAtMs };
  return { kind: "ended", end };
}
