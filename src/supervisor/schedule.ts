/** Which queued jobs start now: strictly by priority, then in the order of submission. */

import type { QueuedJob } from "../job/job.ts";

export interface Free {
  readonly cpus: number;
  /** bytes */
  readonly memory: number;
}

/**
 * The first waiting jobs that fit, at most `limit`. It stops at the first that does not fit: a job
 * that needs much is not passed by later small ones, which could make it wait for ever.
 */
export function schedule(waiting: Iterable<QueuedJob>, free: Free, limit: number): QueuedJob[] {
  const starts: QueuedJob[] = [];
  let { cpus, memory } = free;
  for (const job of waiting) {
    if (starts.length === limit || job.demand.cpus > cpus || job.demand.memory > memory) break;
    cpus -= job.demand.cpus;
    memory -= job.demand.memory;
    starts.push(job);
  }
  return starts;
}

/** Negative when `a` starts before `b`. */
export function startOrder(a: QueuedJob, b: QueuedJob): number {
  return b.demand.priority - a.demand.priority || a.id - b.id;
}
