/**
 * What is done around the turns: recovery at the start, before anybody is served, and the regular
 * check that finds whatever no hint has told. Each may be done again at any time.
 */

import type { Log } from "../job/log.ts";
import type { Cgroups, Clock, Files } from "../ports.ts";
import { cgroupOf } from "../recover/family.ts";
import type { Counts } from "../recover/plan.ts";
import { report } from "../recover/report.ts";
import type { Journal } from "../store/journal.ts";
import type { Requests } from "./requests.ts";
import type { Supervisor } from "./supervisor.ts";

export interface UpkeepParts {
  readonly supervisor: Supervisor;
  readonly requests: Requests;
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
    const { supervisor, requests } = this.parts;
    supervisor.childrenEnded();
    if (supervisor.status.running > 0) this.#recover();
    this.#releaseStale();
    this.#sweepExitRecords(() => {});
    this.#sweepCgroups(() => {});
    supervisor.request(() => requests.prune(), () => {});
  }

  #recover(): Recovered {
    const { supervisor, clock, log, alertAbove } = this.parts;
    const began = clock.bootMs();
    const plan = supervisor.plan();
    supervisor.execute(plan);
    const counts = report(plan, { log, alertAbove });
    const at = new Date(clock.wallMs()).toISOString();
    return { at, durationMs: clock.bootMs() - began, ...counts };
  }

  /** Records of ends that were committed, and that nobody came to remove. */
  #sweepExitRecords(onUnknown: (id: number) => void): void {
    const { journal, files } = this.parts;
    for (const id of files.exitIds()) {
      const job = journal.job(id);
      if (job?.endedAtMs !== undefined) files.removeExitRecord(id);
      else if (!job) onUnknown(id);
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

  #releaseStale(): void {
    const { journal, clock, log } = this.parts;
    const now = clock.wallMs();
    for (const id of journal.releaseStale(now - STALE_ALLOCATION_MS, now)) {
      log.warn("released a stale allocation", { job: id });
    }
  }
}
