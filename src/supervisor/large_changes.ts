/**
 * Changes of more jobs than one turn can write. Begun, they are one fact in the journal; memory follows
 * at once, so that nothing is started that is to end, and the rows follow in batches.
 *
 * Contract: dying anywhere leaves the fact and some of its rows; the next supervisor takes memory to
 * what the fact says and writes the others. Of an array whose submission was not brought to its end,
 * and which nobody has seen, all rows are removed.
 */

import {
  type End,
  isStarted,
  type LiveJob,
  type QueuedJob,
  stoppedEnd,
  transition,
} from "../job/job.ts";
import type { LargeChange, LargeChangeKind } from "../job/large_change.ts";
import type { Log } from "../job/log.ts";
import type { Clock } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { Aftermath } from "./aftermath.ts";
import type { Roster } from "./roster.ts";

export interface LargeChangesParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly roster: Roster;
  readonly aftermath: Aftermath;
  readonly log: Log;
  /** Asks a started job to end. */
  readonly stop: (job: LiveJob) => void;
}

export class LargeChanges {
  /** Jobs that are to be ended by their rows, as they were: memory has forgotten them otherwise. */
  readonly #leaving = new Map<number, QueuedJob>();
  /** Sequences of the submissions that somebody goes on with. */
  readonly #submitting = new Set<number>();

  constructor(private readonly parts: LargeChangesParts) {
    parts.roster.settle = (id) => this.settle(id);
    parts.roster.onManyLost = (jobs) => {
      for (const job of jobs) this.#leaving.set(job.id, job);
      this.#note("dependency", jobs);
    };
  }

  /** Takes memory to what the journal says. */
  load(): void {
    const { journal, roster } = this.parts;
    this.#leaving.clear();
    this.#submitting.clear();
    for (const { kind, left } of journal.largeChanges) {
      const jobs = [...left].map((id) => roster.get(id)).filter((job) => job !== undefined);
      this.#takeEffect(kind, jobs);
    }
  }

  /** Within a turn: changes jobs, as far as they are queued; `cancel` stops those that were started. */
  begin(kind: "cancel" | "hold" | "release", jobs: readonly LiveJob[]): void {
    const queued = this.#takeEffect(kind, jobs);
    this.#note(kind, jobs);
    if (kind === "cancel") this.parts.roster.cancelFollowersOf(queued);
  }

  /** Of a submission that was begun, if it is still there; somebody goes on with it. */
  submission(sequence: number | undefined): LargeChange | undefined {
    const { largeChanges } = this.parts.journal;
    const change = largeChanges.find((other) => other.sequence === sequence);
    if (change) this.#submitting.add(change.sequence);
    return change;
  }

  /** Within a turn: jobs of an array that are about to be written, for nobody to see. */
  beginSubmission(ids: readonly number[], atMs: number): LargeChange {
    const change = this.parts.journal.beginLargeChange("submit", ids, atMs);
    this.#submitting.add(change.sequence);
    return change;
  }

  /** Within a turn: all of them are written, and can be seen from the commit on. */
  endSubmission(change: LargeChange, ids: readonly number[]): void {
    const { journal } = this.parts;
    this.#submitting.delete(change.sequence);
    journal.endLargeChange(change);
    journal.beginLargeChange("announce", ids, change.atMs);
  }

  /** Within a turn: writes now what is still to be written of one job, since more is to come. */
  settle(id: number): void {
    const { journal } = this.parts;
    for (const change of journal.largeChanges) {
      if (change.kind === "submit" || !change.left.has(id)) continue;
      journal.noteWrittenAlone(change, id);
      this.#write(change, id);
      if (change.left.size === 0) journal.endLargeChange(change);
    }
  }

  /** Within a turn: writes some rows, one at least. Returns whether more are left. */
  goOn(mayGoOn: () => boolean): boolean {
    const { journal } = this.parts;
    const change = journal.largeChanges.find(({ sequence }) => !this.#submitting.has(sequence));
    if (!change) return false;
    if (change.kind === "submit") journal.removeUnseen(change);
    else this.#writeSome(change, mayGoOn);
    return journal.largeChanges.length > this.#submitting.size;
  }

  #writeSome(change: LargeChange, mayGoOn: () => boolean): void {
    const { journal } = this.parts;
    let last = 0;
    for (const id of change.left) {
      this.#write(change, id);
      last = id;
      if (!mayGoOn()) break;
    }
    journal.noteWritten(change, last);
    if (change.left.size === 0) journal.endLargeChange(change);
  }

  #note(kind: LargeChangeKind, jobs: readonly LiveJob[]): void {
    const { journal, clock, aftermath, log } = this.parts;
    const ids = jobs.map(({ id }) => id).sort((a, b) => a - b);
    journal.beginLargeChange(kind, ids, clock.wallMs());
    aftermath.then(() => log.info("many jobs", { change: kind, jobs: ids.length }));
  }

  /** In memory. Returns those that are queued. */
  #takeEffect(kind: LargeChangeKind, jobs: readonly LiveJob[]): readonly QueuedJob[] {
    const { roster } = this.parts;
    const queued = jobs.filter((job) => job.state === "QUEUED");
    if (kind === "hold" || kind === "release") roster.setHeld(queued, kind === "hold");
    if (kind !== "cancel" && kind !== "dependency") return queued;
    for (const job of queued) this.#leaving.set(job.id, job);
    roster.takeOut(queued);
    return queued;
  }

  #write({ kind, atMs }: LargeChange, id: number): void {
    const { journal, roster, aftermath, stop } = this.parts;
    const job = this.#leaving.get(id) ?? roster.get(id);
    switch (kind) {
      case "cancel":
        if (job && isStarted(job)) return stop(job);
        return this.#writeEnd(id, { ...stoppedEnd("cancel"), endedAtMs: atMs });
      case "dependency": {
        const message = job && journal.whyNot(job.demand.after);
        const how = { state: "CANCELLED", reason: "dependency", message } as const;
        return this.#writeEnd(id, { ...how, endedAtMs: atMs });
      }
      case "hold":
        return job && roster.write(job, { kind: "held" });
      case "release":
        return job && roster.write(job, { kind: "released" });
      case "announce":
        return aftermath.tell(journal.announce(id, atMs));
      case "submit":
        throw new Error(`job ${id}: nobody has seen it yet`);
    }
  }

  #writeEnd(id: number, end: End): void {
    const job = this.#leaving.get(id);
    if (!job) return;
    this.#leaving.delete(id);
    const change = { kind: "ended", end } as const;
    this.parts.roster.write(transition(job, change), change);
  }
}
