/** The plan of a recovery: what will become of every job that has not ended. A value; it does nothing. */

import type { LiveJob, StartedJob } from "../job/job.ts";
import { isStarted } from "../job/job.ts";
import { type Evidence, type Verdict, verdict } from "./verdict.ts";

/**
 * kept: nothing changes; requeued: it never ran; ended: by its exit record; interrupted: it ended and
 * nobody knows how; unverifiable: it cannot be looked at and is left alone.
 */
export type Fate = "kept" | "adopted" | "requeued" | "ended" | "interrupted" | "unverifiable";

export interface PlanItem {
  readonly job: LiveJob;
  readonly fate: Fate;
  /** Absent for a job that has not been started. */
  readonly evidence?: Evidence;
  /** For people: what will be done, and why. */
  readonly why: string;
}

export function makePlan(
  jobs: readonly LiveJob[],
  look: (job: StartedJob) => Evidence,
): PlanItem[] {
  return jobs.map((job) => {
    if (!isStarted(job)) return { job, fate: "kept", why: "it waits for its turn" };
    return planItem(job, look(job));
  });
}

export function planItem(job: StartedJob, evidence: Evidence): PlanItem {
  return { job, evidence, ...fateOf(job, verdict(job, evidence)) };
}

function fateOf(job: StartedJob, found: Verdict): Pick<PlanItem, "fate" | "why"> {
  switch (found.kind) {
    case "keep":
      return { fate: "kept", why: "its shim holds it" };
    case "running": {
      const { leader, adopted } = found.change;
      return { fate: adopted ? "adopted" : "kept", why: `it runs as pid ${leader.pid}` };
    }
    case "fence":
      return { fate: "requeued", why: "no shim has claimed it, and none may any more" };
    case "withdrawn":
      return { fate: job.stopping ? "ended" : "requeued", why: "it was withdrawn before it ran" };
    case "over": {
      const { state, reason, message } = found.end;
      const lost = reason === "interrupted" || reason === "reboot";
      const why = `${state} ${reason}${message ? `: ${message}` : ""}`;
      return { fate: lost ? "interrupted" : "ended", why };
    }
    case "unverifiable":
      return { fate: "unverifiable", why: `${found.cause}; it is left as it is` };
  }
}

export interface Counts {
  readonly kept: number;
  readonly adopted: number;
  readonly requeued: number;
  readonly ended: number;
  readonly interrupted: number;
}

export function countFates(plan: readonly PlanItem[]): Counts {
  const count = (...fates: Fate[]) => plan.filter((item) => fates.includes(item.fate)).length;
  return {
    kept: count("kept", "unverifiable"),
    adopted: count("adopted"),
    requeued: count("requeued"),
    ended: count("ended"),
    interrupted: count("interrupted"),
  };
}
