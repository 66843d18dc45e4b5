/** The composition of `holdfast recover --dry-run`: what a start would do with each job. */

import { places, refuseForeignState } from "./directories.ts";
import { HostCgroups } from "./host/cgroups.ts";
import { hostClock } from "./host/clock.ts";
import { takeLock } from "./host/lock.ts";
import { HostProcesses } from "./host/processes.ts";
import { RunFiles } from "./host/run_files.ts";
import { openJournal } from "./node_parts.ts";
import { makePlan, type PlanItem } from "./recover/plan.ts";
import { Survey } from "./recover/survey.ts";
import { type Flags, readConfig } from "./settings.ts";

export { countFates } from "./recover/plan.ts";

/** Changes nothing. Throws Locked, JournalRefused, ConfigError. */
export function recoveryPlan(flags: Flags): PlanItem[] {
  const { state } = places(readConfig(flags));
  refuseForeignState(state);
  takeLock(`${state}/lock`);
  const files = new RunFiles(state);
  const journal = openJournal(state, files, "");
  const processes = new HostProcesses(), cgroups = new HostCgroups();
  const survey = new Survey({ clock: hostClock, processes, files, cgroups });
  const plan = makePlan(journal.liveJobs(), (job) => survey.look(job));
  journal.close();
  return plan;
}
