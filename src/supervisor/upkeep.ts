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
import { keptInDoubt, prune } from "./changes/prune.ts";
import type { Health } from "./health.ts";
import type { SteadyClock } from "./steady_clock.ts";
import type { Supervisor } from "./supervisor.ts";

export interface UpkeepParts {
  readonly supervisor: Supervisor;
  readonly changes: ChangeParts;
  readonly journal: Journal;
  readonly files: Files;
  readonly cgroups?: Cgroups;
  readonly clock: Clock;
  readonly steady: SteadyClock;
  readonly log: Log;
  /** More interrupted jobs than this raise an alert. */
  readonly alertAbove: number;
  /** That were found at the start, and belong to no job of the journal. */
  readonly unknownRuns: number;
}

/** `at`: RFC 3339 in UTC. */
export type Recovered = { readonly at: string; readonly durationMs: number } & Counts;

/** An ended job that holds something so long after its end never released it: a mistake, made good. */
const STALE_ALLOCATION_MS = 48 * 3_600_000;

export class Upkeep {
  #unknownEnds = 0;
  #unknownCgroups = 0;
  /** Jobs of which it was told last that they are kept since it is in doubt how old they are. */
  #keptInDoubt = 0;

  constructor(private readonly parts: UpkeepParts) {}

  /** How it is now. */
  health(): Health {
    const { supervisor, unknownRuns } = this.parts;
    return supervisor.health(unknownRuns + this.#unknownEnds + this.#unknownCgroups);
  }

  /** Takes back what the last supervisor has left. Throws JournalUnavailable. */
  start(): Recovered {
    const { supervisor, steady, log } = this.parts;
    supervisor.request(() => steady.note(), () => this.#tellClocks());
    supervisor.childrenEnded();
    supervisor.hearShims();
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
    const { supervisor, changes, steady } = this.parts;
    supervisor.childrenEnded();
    supervisor.check((found) => this.#report(found));
    supervisor.request(() => steady.note(), () => this.#tellClocks());
    supervisor.request(() => this.#releaseStale(), () => {});
    this.#sweepExitRecords(() => {});
    this.#sweepCgroups(() => {});
    supervisor.request(prune(changes), () => this.#tellHealth());
  }

  /** At the end: what somebody was still in when its job had ended is empty by now. */
  leave(): void {
    this.#sweepCgroups(() => {});
  }

  #tellHealth(): void {
    const { faults, running, queued, turnMs, commitMs } = this.health();
    const facts = { running, queued, turnMs, commitMs };
    if (faults.length === 0) this.parts.log.info("healthy", facts);
    else this.parts.log.warn("somebody should look", { ...facts, faults: faults.join("; ") });
  }

  #recover(): Recovered {
    const { supervisor, clock } = this.parts;
    const began = clock.bootMs();
    const waiting = supervisor.roster.queued;
    const plan = supervisor.plan();
    supervisor.execute(plan);
    const counts = this.#report(plan);
    const at = new Date(clock.wallMs()).toISOString();
    const kept = counts.kept + waiting;
    return { at, durationMs: clock.bootMs() - began, ...counts, kept };
  }

  #report(plan: readonly PlanItem[]): Counts {
    return report(plan, this.parts);
  }

  /** Records of ends that were committed, and that nobody came to remove. */
  #sweepExitRecords(onUnknown: (id: number) => void): void {
    const { journal, files } = this.parts;
    this.#unknownEnds = 0;
    for (const id of files.exitIds()) {
      const state = journal.stateOf(id);
      if (state === undefined) {
        this.#unknownEnds++;
        onUnknown(id);
      } else if (isEndState(state)) files.removeExitRecord(id);
    }
  }

  /** Cgroups of attempts that are over, and that nobody came to remove. */
  #sweepCgroups(onPopulated: (directory: string) => void): void {
    const { supervisor, cgroups } = this.parts;
    if (!cgroups) return;
    this.#unknownCgroups = 0;
    const live = new Set(supervisor.roster.started().map((job) => cgroupOf(job, cgroups)));
    for (const directory of cgroups.directories()) {
      if (live.has(directory) || cgroups.remove(directory)) continue;
      this.#unknownCgroups++;
      onPopulated(directory);
    }
  }

  #tellClocks(): void {
    const { changes, steady, log } = this.parts;
    const { movedMs, offMs } = steady.takeUnusual();
    if (movedMs !== 0) {
      const doing = "counting ages by the time since boot";
      log.warn("the wall clock was moved", { seconds: Math.round(movedMs / 1000), doing });
    }
    if (offMs > 0) {
      const doing = "pruning nothing for that alone until a day has passed";
      log.warn("the node was off, or its clock is wrong", {
        seconds: Math.round(offMs / 1000),
        doing,
      });
    }
    const kept = keptInDoubt(changes);
    if (kept !== this.#keptInDoubt) log.info("ended jobs that may be old are kept", { jobs: kept });
    this.#keptInDoubt = kept;
  }

  /** Within a turn. */
  #releaseStale(): void {
    const { supervisor, journal, clock, steady, log } = this.parts;
    const stale = journal.endedUnreleased()
      .filter(({ endedMs }) => steady.ageMs(endedMs) > STALE_ALLOCATION_MS);
    for (const { id } of stale) {
      journal.release(id, clock.wallMs());
      supervisor.onCommit(() => log.warn("released a stale allocation", { job: id }));
    }
  }
}
