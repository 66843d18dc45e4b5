/**
 * The jobs that have not ended, as memory holds them, and the one way to change them: by a transition
 * that is journaled in the same breath. When the journal takes a turn back, `load` takes memory back.
 */

import { MS_PER_TICK } from "../job/identity.ts";
import {
  type Change,
  isEnded,
  isStarted,
  type Job,
  type LiveJob,
  nameOfJob,
  type QueuedJob,
  type StartedJob,
  transition,
} from "../job/job.ts";
import type { Log } from "../job/log.ts";
import { type ArrayMember, nameOf } from "../job/job_array.ts";
import type { Clock, Processes } from "../ports.ts";
import type { Journal, Submission } from "../store/journal.ts";
import type { Aftermath } from "./aftermath.ts";
import { Allocations } from "./allocations.ts";
import type { Lane } from "./lanes.ts";
import { Pools } from "./pools.ts";
import { Queue } from "./queue.ts";
import type { SteadyClock } from "./steady_clock.ts";

export interface RosterParts {
  readonly clock: Clock;
  readonly steady: SteadyClock;
  readonly processes: Pick<Processes, "ground">;
  readonly journal: Journal;
  readonly log: Log;
  readonly aftermath: Aftermath;
  /** Ends of so many jobs are left to others. */
  readonly large: number;
}

/** A new job. */
export type Member = Pick<QueuedJob, "id" | "demand" | "index">;

export class Roster {
  readonly #live = new Map<number, LiveJob>();
  #queue = new Queue();
  #allocations = new Allocations();
  /** Of the youngest job, by the steady clock; none is queued as if it were older. */
  #youngestMs = 0;
  readonly pools: Pools;

  /** Called with a started job as it was, in the turn in which it has ended or gone back to the queue. */
  onLeft: (job: StartedJob) => void = () => {};
  /** Called with so many jobs which can never start that their ends cannot be written in this turn. */
  onManyLost: (jobs: readonly QueuedJob[]) => void = () => {};
  /** Has written what is still to be written of a job. */
  settle: (id: number) => void = () => {};

  constructor(private readonly parts: RosterParts) {
    this.pools = new Pools(parts.journal, () => this.#live.values());
  }

  /** Rebuilds memory from the journal. */
  load(): void {
    this.parts.steady.reload();
    this.pools.load();
    this.#live.clear();
    this.#queue = new Queue();
    this.#allocations = new Allocations();
    this.#youngestMs = 0;
    const { journal, clock } = this.parts;
    const jobs = journal.liveJobs();
    for (const job of jobs) this.#live.set(job.id, this.#inOrder(job));
    this.#queue.tellTime(clock.wallMs());
    for (const job of this.#live.values()) {
      if (isStarted(job)) this.#allocations.set(job, clock.bootMs());
      else this.#queue.add(job, job.demand.after.filter((id) => this.#live.has(id)));
    }
  }

  get(id: number): LiveJob | undefined {
    return this.#live.get(id);
  }

  all(): LiveJob[] {
    return [...this.#live.values()];
  }

  /** The jobs of an array that have not ended: their ids follow each other. */
  ofArray({ id, size }: ArrayMember): LiveJob[] {
    return Array.from({ length: size }, (_, i) => this.#live.get(id + i))
      .filter((job) => job !== undefined);
  }

  started(): StartedJob[] {
    return this.#allocations.jobs();
  }

  /** The jobs that could start, by what they need. */
  lanes(): Iterable<Lane> {
    return this.#queue.lanes();
  }

  /** Ids of the jobs that must complete before this one can start. */
  waitsFor(id: number): number[] {
    return this.#queue.waitsFor(id);
  }

  /** As people call it. */
  nameOf(id: number): string {
    const job = this.#live.get(id);
    return job ? nameOfJob(job) : nameOf(id, this.parts.journal.job(id)?.array);
  }

  /** Lets those start whose time has come. Returns when the next one's does, wall clock ms. */
  tellTime(): number | undefined {
    return this.#queue.tellTime(this.parts.clock.wallMs());
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** What started jobs hold. */
  get allocations(): Allocations {
    return this.#allocations;
  }

  /** Journals a new job and queues it. Returns its id. */
  add(submission: Submission): number {
    const { journal, aftermath } = this.parts;
    const { id, event } = journal.insertJob(submission);
    aftermath.tell(event);
    this.enter([{ id, demand: journal.demands.of(submission.spec) }], submission);
    return id;
  }

  /** Queues jobs that are in the journal; of those that can never start, their end is journaled. */
  enter(
    members: readonly Member[],
    { spec, atMs, aheadMs }: Submission,
  ): void {
    const on = spec.after.filter((other) => this.#live.has(other));
    const held = spec.hold ?? false;
    for (const { id, demand, index } of members) {
      const job = this.#inOrder<QueuedJob>({
        id,
        demand,
        index,
        attempts: 0,
        submittedAtMs: atMs,
        aheadMs,
        state: "QUEUED",
        held,
      });
      this.#live.set(id, job);
      this.#queue.add(job, on);
    }
    if (this.parts.journal.whyNot(spec.after) === undefined) return;
    const jobs = members.map(({ id }) => this.#live.get(id) as QueuedJob);
    this.takeOut(jobs);
    this.#cancelFollowers(jobs);
  }

  /** Makes one transition and journals it. Throws when the job's state does not allow it. */
  change(job: LiveJob, wanted: Change): Job {
    const change = wanted.kind === "ended" ? this.#timed(job, wanted) : wanted;
    const after = transition(job, change);
    this.write(after, change);
    this.parts.aftermath.then(() => this.#tell(after, change));
    const isHold = job.state === "QUEUED" && after.state === "QUEUED";
    if (job.state === "QUEUED" && !isHold) this.#queue.remove(job);
    if (isEnded(after)) {
      this.#live.delete(after.id);
      this.#allocations.remove(after.id);
      if (isStarted(job)) this.onLeft(job);
      this.#cancelFollowers(this.#queue.ended(after.id, after.state === "COMPLETED"));
      return after;
    }
    this.#live.set(after.id, after);
    if (isStarted(after)) this.#allocations.set(after, this.parts.clock.bootMs());
    else if (isHold) this.#queue.replaceAll([after]);
    else {
      this.#allocations.remove(after.id);
      if (isStarted(job)) this.onLeft(job);
      this.#queue.add(after, []);
    }
    return after;
  }

  /** Journals what a change has made of a job, which memory knows already. */
  write(after: Job, change: Change): void {
    const { clock, steady, journal, aftermath } = this.parts;
    if (isEnded(after)) steady.noteFirst();
    aftermath.tell(journal.record(after, change, clock.wallMs(), steady.nowMs()));
  }

  /** Takes jobs out of memory whose end is in the journal, or will be. */
  takeOut(jobs: readonly QueuedJob[]): void {
    this.#queue.removeAll(jobs);
    for (const { id } of jobs) this.#live.delete(id);
  }

  /** Holds or releases jobs in memory alone. */
  setHeld(jobs: readonly QueuedJob[], held: boolean): void {
    const after = jobs.map((job) => ({ ...job, held }));
    for (const job of after) this.#live.set(job.id, job);
    this.#queue.replaceAll(after);
  }

  /** What was to follow these can never start: its end is journaled too. */
  cancelFollowersOf(jobs: readonly QueuedJob[]): void {
    this.#cancelFollowers(this.#queue.failed(jobs.map(({ id }) => id)));
  }

  /** They have been taken out of the queue. */
  #cancelFollowers(jobs: readonly QueuedJob[]): void {
    for (const { id } of jobs) this.#live.delete(id);
    if (jobs.length >= this.parts.large) return this.onManyLost(jobs);
    const endedAtMs = this.parts.clock.wallMs();
    for (const job of jobs) {
      this.settle(job.id);
      const message = this.parts.journal.whyNot(job.demand.after);
      const end = { state: "CANCELLED", reason: "dependency", message, endedAtMs } as const;
      const change = { kind: "ended", end } as const;
      const after = transition(job, change);
      this.write(after, change);
      this.parts.aftermath.then(() => this.#tell(after, change));
    }
  }

  /** With how long it ran by the boot clock, where it was started in this boot. */
  #timed(job: LiveJob, change: Change & { kind: "ended" }): Change {
    const { clock, processes } = this.parts;
    if (job.state !== "RUNNING" || job.attempt.ground.bootId !== processes.ground.bootId) {
      return change;
    }
    const { end } = change;
    const sinceStartMs = clock.bootMs() - job.leader.startTicks * MS_PER_TICK;
    const sinceEndMs = clock.wallMs() - end.endedAtMs;
    // What is told of an end before the start is told by a clock that was moved.
    const isTold = sinceEndMs > 0 && sinceEndMs < sinceStartMs;
    const elapsedMs = Math.max(0, sinceStartMs - (isTold ? sinceEndMs : 0));
    return { ...change, end: { ...end, elapsedMs } };
  }

  #inOrder<J extends LiveJob>(job: J): J {
    const { submittedAtMs, aheadMs = 0 } = job;
    this.#youngestMs = Math.max(this.#youngestMs, submittedAtMs - aheadMs);
    const inOrderMs = submittedAtMs - this.#youngestMs;
    return inOrderMs === aheadMs ? job : { ...job, aheadMs: inOrderMs };
  }

  #tell(job: Job, change: Change): void {
    if (change.kind === "stopping") {
      this.parts.log.info("stopping", { job: job.id, why: change.stopping.kind });
    } else if (isEnded(job)) {
      const { reason, message, exit } = job.end;
      const code = exit && `${exit.code}:${exit.signal}`;
      this.parts.log.info(job.state, { job: job.id, reason, exit: code, message });
    } else this.parts.log.debug(job.state, { job: job.id });
  }
}
