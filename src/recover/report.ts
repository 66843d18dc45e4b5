/** Tells the log what a recovery did: a line for each job that changed, and an alert for many lost. */

import type { Log } from "../job/log.ts";
import { countFates, type Counts, type PlanItem } from "./plan.ts";

export function report(
  plan: readonly PlanItem[],
  options: { log: Log; alertAbove: number },
): Counts {
  const { log, alertAbove } = options;
  const counts = countFates(plan);
  for (const { job, fate, why } of plan) {
    const fields = { job: job.id, why };
    if (fate === "interrupted") log.warn("interrupted", fields);
    else if (fate === "unverifiable") log.warn("unverifiable", fields);
    else if (fate !== "kept") log.info(fate, fields);
  }
  if (counts.interrupted > alertAbove) {
    log.alert("many jobs were interrupted", { interrupted: counts.interrupted, alertAbove });
  }
  return counts;
}
