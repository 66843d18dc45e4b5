/**
 * What is done around the turns: recovery at the start, before anybody is served, and the regular
 * check that finds whatever no hint has told. Each may be done again at any time.
 */

import { isEndState } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Cgroups, Clock, Files } from "../ports.ts";
import { cgroupOf } from "../recover/family.ts";
import type { Counts, PlanItem } from "../recover/plan.ts";
import { report } from "../recover/report.ts";
import type { Journal } from "../store/journal.ts";
import type { ChangeParts } from "./changes/parts.ts";
import { prune } from "./changes/prune.ts";
import type { Supervisor } from "./supervisor.ts";

export interface UpkeepParts {
  readonly supervisor: Supervisor;
  readonly changes: ChangeParts;
  readonly journal: Journal;
  readonly files: Files;
  readonly cgroups?: Cgroups;
  readonly clock: Clock;
  readonly log: Log;
  /** More interrupted jobs than this raise an alert. */
  readonly alertAbove: number;
}

/** `at`: RFC 3339 in UTC. */
export type Recovered = { readonly at: string; readonly durationMs: number } & Counts;

const STALE_ALLOCATION_MS = 48 * 3_600_000;

export class Upkeep {
  constructor(private readonly parts: UpkeepParts) {}

  /** Takes back what the last supervisor has left. Throws JournalUnavailable. */
  start(): Recovered {
    const { supervisor, log } = this.parts;
    supervisor.childrenEnded();
    const recovered = this.#recover();
    log.info("recovered", { ...recovered });
    this.#sweepExitRecords((id) => {
      log.warn("exit record of an unknown job", { job: id, doing: "left as it is" });
    });
    this.#sweepCgroups((directory) => {
      log.warn("processes in the cgroup of an unknown job", {
        directory,
        doing: "left as they are",
      });
    });
    return recovered;
  }

  check(): void {
    const { supervisor, changes } = this.parts;
    supervisor.childrenEnded();
    supervisor.check((found) => this.#report(found));
    supervisor.request(() => this.#releaseStale(), () => {});
    this.#sweepExitRecords(() => {});
    this.#sweepCgroups(() => {});
    supervisor.request(prune(changes), () => {});
  }

  #recover(): Recovered {
    const { supervisor, clock } = this.parts;
    const began = clock.bootMs();
    const plan = supervisor.plan();
    supervisor.execute(plan);
    const counts = this.#report(plan);
    const at = new Date(clock.wallMs()).toISOString();
    return { at, durationMs: clock.bootMs() - began, ...counts };
  }

  #report(plan: readonly PlanItem[]): Counts {
    return report(plan, this.parts);
  }

  /** Records of ends that were committed, and that nobody came to remove. */
  #sweepExitRecords(onUnknown: (id: number) => void): void {
    const { journal, files } = this.parts;
    for (const id of files.exitIds()) {
      const state = journal.stateOf(id);
      if (state === undefined) onUnknown(id);
      else if (isEndState(state)) files.removeExitRecord(id);
    }
  }

  /** Cgroups of attempts that are over, and that nobody came to remove. */
  #sweepCgroups(onPopulated: (directory: string) => void): void {
    const { supervisor, cgroups } = this.parts;
    if (!cgroups) return;
    const live = new Set(supervisor.roster.started().map((job) => cgroupOf(job, cgroups)));
    for (const directory of cgroups.directories()) {
      if (!live.has(directory) && !cgroups.remove(directory)) onPopulated(directory);
    }
  }

  /** Within a turn. */
  #releaseStale(): void {
    const { journal, clock, log } = this.parts;
    const now = clock.wallMs();
    for (const id of journal.releaseStale(now - STALE_ALLOCATION_MS, now)) {
      log.warn("released a stale allocation", { job: id });
    }
  }
}
