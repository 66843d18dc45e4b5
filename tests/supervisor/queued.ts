/** Queued jobs for the tests of the order of starts. */

import type { Demand, QueuedJob } from "../../src/job/job.ts";

export function queued(
  id: number,
  demand: Partial<Demand> = {},
  job: Partial<Pick<QueuedJob, "submittedAtMs" | "held" | "index">> = {},
): QueuedJob {
  const full = { cpus: 1, memory: 0, priority: 0, after: [], timeoutMs: 0, graceMs: 0, ...demand };
  return {
    id,
    attempts: 0,
    submittedAtMs: 0,
    held: false,
    ...job,
    state: "QUEUED",
    demand: full,
  };
}
