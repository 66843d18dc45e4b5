/** What a large change makes of a job whose row it has not reached yet: what that row will say. Pure. */

import { type State, stoppedEnd } from "../job/job.ts";
import type { LargeChange } from "../job/large_change.ts";
import type { JobRecord } from "./records.ts";

/** `whyNot`: what is told of the jobs that another was to follow. */
export function overlaid(
  job: JobRecord,
  { kind, atMs }: LargeChange,
  whyNot: (after: readonly number[]) => string | undefined,
): JobRecord {
  const isQueued = job.state === "QUEUED";
  const endedAtMs = Math.max(job.submittedAtMs, atMs);
  switch (kind) {
    case "cancel":
      if (isQueued) return { ...job, ...stoppedEnd("cancel"), released: true, endedAtMs };
      return job.endedAtMs === undefined && !job.stopping ? { ...job, stopping: "cancel" } : job;
    case "dependency": {
      if (!isQueued) return job;
      const message = whyNot(job.spec.after);
      const end = { state: "CANCELLED", reason: "dependency", message } as const;
      return { ...job, ...end, released: true, endedAtMs };
    }
    case "hold":
      return isQueued ? { ...job, held: true } : job;
    case "release":
      return isQueued ? { ...job, held: undefined } : job;
    case "submit":
    case "announce":
      return job;
  }
}

/** The same of its state alone. */
export function overlaidState(state: State, { kind }: LargeChange): State {
  const ends = kind === "cancel" || kind === "dependency";
  return ends && state === "QUEUED" ? "CANCELLED" : state;
}
