/**
 * The order in which waiting jobs start: that of their submission, in which a priority is a head
 * start. Since the head start has an end, every job is overtaken only by what comes soon enough
 * after it: priorities order the queue and starve nobody.
 */

import type { QueuedJob } from "../job/job.ts";

/** No priority is worth more. */
export const MAX_HEAD_START_MS = 7 * 86_400_000;
/** The priority that is worth half of it; near 0 a point is worth about ten minutes. */
const HALF_AT = 1000;

/** ms; negative for a negative priority. Grows with every point, however high the priority is. */
export function headStartMs(priority: number): number {
  return MAX_HEAD_START_MS * priority / (Math.abs(priority) + HALF_AT);
}

/** Negative when `a` starts before `b`. */
export function startOrder(a: QueuedJob, b: QueuedJob): number {
  return rank(a) - rank(b) || a.id - b.id;
}

/**
 * A job that may not start before a time is queued from then on. By the steady clock: one that was
 * submitted under a wrong wall clock is neither older nor younger for it.
 */
function rank({ submittedAtMs, aheadMs = 0, demand }: QueuedJob): number {
  const sinceMs = Math.max(submittedAtMs, demand.notBeforeMs ?? 0) - aheadMs;
  return sinceMs - headStartMs(demand.priority);
}
