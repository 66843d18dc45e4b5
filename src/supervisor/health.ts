/** How the supervisor is: what somebody should come and look at, and what is only told. Pure. */

import { type LiveJob, nameOfJob } from "../job/job.ts";
import type { Latency } from "./turn_times.ts";

export interface HealthFacts {
  readonly running: number;
  readonly queued: number;
  readonly draining: boolean;
  /** Why the journal cannot be written. */
  readonly degraded?: string;
  /** Why the node can start nothing now. */
  readonly cannotStart?: string;
  /** Why logs are cut below their limits. */
  readonly shortOfSpace?: string;
  /** Jobs of which SIGKILL does not end every process. */
  readonly unkillable: readonly LiveJob[];
  /** Jobs whose commands should have been executed long ago. */
  readonly hanging: readonly LiveJob[];
  /** Processes, runs and ends that belong to no job of the journal. */
  readonly orphans: number;
  /** The longest of the last turns. */
  readonly latency: Latency;
}

export interface Health extends Omit<HealthFacts, "unkillable" | "hanging" | "latency"> {
  /** Each a sentence; none where nobody has to come. */
  readonly faults: readonly string[];
  readonly unkillable: number;
  readonly hanging: number;
  readonly turnMs: number;
  readonly commitMs: number;
}

/** A turn works for 10 ms; this is a machine, or a disk, that hardly goes on. */
const LONGEST_WORK_MS = 1000, LONGEST_COMMIT_MS = 5000;
const NAMED = 3;

export function healthOf(facts: HealthFacts): Health {
  const { running, queued, draining, degraded, cannotStart, shortOfSpace, orphans } = facts;
  return {
    faults: faultsOf(facts),
    running,
    queued,
    draining,
    degraded,
    cannotStart,
    shortOfSpace,
    unkillable: facts.unkillable.length,
    hanging: facts.hanging.length,
    orphans,
    turnMs: facts.latency.workMs,
    commitMs: facts.latency.commitMs,
  };
}

function faultsOf(facts: HealthFacts): string[] {
  const { degraded, cannotStart, shortOfSpace, unkillable, hanging, orphans, latency } = facts;
  const faults = [
    degraded !== undefined && `the journal cannot be written: ${degraded}`,
    cannotStart !== undefined && `no job can be started: ${cannotStart}`,
    shortOfSpace !== undefined && `logs are cut short: ${shortOfSpace}`,
    unkillable.length > 0 && `${jobsText(unkillable)} cannot be killed`,
    hanging.length > 0 && `${jobsText(hanging)} cannot come to the command`,
    orphans > 0 &&
    `${orphans} processes or runs belong to no job of the journal; the log names them`,
    latency.workMs > LONGEST_WORK_MS && `a turn worked for ${latency.workMs} ms`,
    latency.commitMs > LONGEST_COMMIT_MS && `a commit took ${latency.commitMs} ms`,
  ];
  return faults.filter((fault) => fault !== false);
}

function jobsText(jobs: readonly LiveJob[]): string {
  const names = jobs.slice(0, NAMED).map(nameOfJob);
  const more = jobs.length > NAMED ? ` and ${jobs.length - NAMED} more` : "";
  return `${jobs.length === 1 ? "job" : "jobs"} ${names.join(", ")}${more}`;
}
