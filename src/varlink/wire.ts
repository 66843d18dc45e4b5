/** Records as the interface writes them: RFC 3339 times, nothing that is absent. */

import type { EventRecord, JobRecord } from "../store/records.ts";
import type { Event, Job } from "./interface.ts";

/** `note`: why it has not ended yet. */
export function wireJob(job: JobRecord, note?: string): Job {
  const { submittedAtMs, startedAtMs, endedAtMs, ...same } = job;
  return {
    ...same,
    message: job.message ?? note,
    submittedAt: time(submittedAtMs),
    startedAt: optionalTime(startedAtMs),
    endedAt: optionalTime(endedAtMs),
  };
}

export function wireEvent(event: EventRecord): Event {
  const { atMs, sequence, ...same } = event;
  return { sequence, at: time(atMs), ...same };
}

export function time(atMs: number): string {
  return new Date(atMs).toISOString();
}

function optionalTime(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : time(atMs);
}
