/** The composition of `holdfast recover --dry-run`: what a start would do with each job. */

import { HostCgroups } from "./host/cgroups.ts";
import { hostClock } from "./host/clock.ts";
import { HostProcesses } from "./host/processes.ts";
import { END_STATES, type State } from "./job/job.ts";
import { look } from "./looking.ts";
import { makePlan, type PlanItem } from "./recover/plan.ts";
import { Survey } from "./recover/survey.ts";
import type { Flags } from "./settings.ts";
import { Journal } from "./store/journal.ts";
import { JournalCopy, journalFiles } from "./store/journal_copy.ts";

export { countFates } from "./recover/plan.ts";

/** It has been decided of many jobs at once, and its own row is still to be written. */
const ENDED_WITH_OTHERS = { fate: "ended", why: "CANCELLED with many others" } as const;

/** Throws Locked, JournalRefused, ConfigError, NoTemporary. */
export async function recoveryPlan(flags: Flags): Promise<PlanItem[]> {
  return await look(flags, {
    filesOf: journalFiles,
    read: ({ copy, called }, { traces }) => {
      const journal = new Journal(new JournalCopy(copy, traces, called), "").open();
      const jobs = journal.liveJobs();
      const ended = new Set(jobs.map(({ id }) => id).filter((id) => isEnd(journal.stateOf(id))));
      journal.close();
      return { jobs, ended };
    },
    judge: ({ jobs, ended }, { files }) => {
      const processes = new HostProcesses(), cgroups = new HostCgroups();
      const survey = new Survey({ clock: hostClock, processes, files, cgroups });
      const plan = makePlan(jobs, (job) => survey.look(job));
      return plan.map((item) => ended.has(item.job.id) ? { ...item, ...ENDED_WITH_OTHERS } : item);
    },
  });
}

function isEnd(state: State | undefined): boolean {
  return END_STATES.some((end) => end === state);
}
