/** The composition of `holdfast recover --dry-run`: what a start would do with each job. */

import { HostCgroups } from "./host/cgroups.ts";
import { hostClock } from "./host/clock.ts";
import { HostProcesses } from "./host/processes.ts";
import { look } from "./looking.ts";
import { makePlan, type PlanItem } from "./recover/plan.ts";
import { Survey } from "./recover/survey.ts";
import type { Flags } from "./settings.ts";
import { Journal } from "./store/journal.ts";
import { JournalCopy, journalFiles } from "./store/journal_copy.ts";

export { countFates } from "./recover/plan.ts";

/** Throws Locked, JournalRefused, ConfigError, NoTemporary. */
export async function recoveryPlan(flags: Flags): Promise<PlanItem[]> {
  return await look(flags, {
    filesOf: journalFiles,
    read: ({ copy, called }, { traces }) => {
      const journal = new Journal(new JournalCopy(copy, traces, called), "").open();
      const jobs = journal.liveJobs();
      journal.close();
      return jobs;
    },
    judge: (jobs, { files }) => {
      const processes = new HostProcesses(), cgroups = new HostCgroups();
      const survey = new Survey({ clock: hostClock, processes, files, cgroups });
      return makePlan(jobs, (job) => survey.look(job));
    },
  });
}
