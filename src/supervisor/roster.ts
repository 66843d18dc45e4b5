/**
 * The jobs that have not ended, as memory holds them, and the one way to change them: by a transition
 * that is journaled in the same breath. When the journal takes a turn back, `load` takes memory back.
 */

import {
  type Change,
  isEnded,
  isStarted,
  type Job,
  type LiveJob,
  type QueuedJob,
  type StartedJob,
  transition,
} from "../job/job.ts";
import type { Log } from "../job/log.ts";
import { type ArrayMember, nameOf } from "../job/job_array.ts";
import type { FullSpec } from "../job/spec.ts";
import type { Clock } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import { demandOf } from "../store/records.ts";
import type { Aftermath } from "./aftermath.ts";
import { Allocations } from "./allocations.ts";
import type { Lane } from "./lanes.ts";
import { Pools } from "./pools.ts";
import { Queue } from "./queue.ts";

export interface RosterParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly log: Log;
  readonly aftermath: Aftermath;
}

export class Roster {
  readonly #live = new Map<number, LiveJob>();
  #queue = new Queue();
  #allocations = new Allocations();
  /** Of the youngest job; none is queued as if it were older, whatever the clock did. */
  #submittedAtMs = 0;
  readonly pools: Pools;

  /** Called with a job as it was, in the turn in which it has ended or gone back to the queue. */
  onLeft: (job: LiveJob) => void = () => {};

  constructor(private readonly parts: RosterParts) {
    this.pools = new Pools(parts.journal, () => this.all());
    this.load();
  }

  /** Rebuilds memory from the journal. */
  load(): void {
    this.pools.load();
    this.#live.clear();
    this.#queue = new Queue();
    this.#allocations = new Allocations();
    this.#submittedAtMs = 0;
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

  /** The jobs of an array that have not ended. */
  ofArray(id: number): LiveJob[] {
    return this.all().filter(({ demand }) => demand.array?.id === id);
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
    return nameOf(id, this.#live.get(id)?.demand.array ?? this.parts.journal.job(id)?.array);
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

  /** Journals a new job and queues it. `array`: without an id for its first job. Returns its id. */
  add(
    spec: FullSpec,
    uid: number,
    array?: Omit<ArrayMember, "id"> & { readonly id?: number },
  ): number {
    const { clock, journal, aftermath } = this.parts;
    const submittedAtMs = clock.wallMs();
    const { id, event } = journal.insertJob(spec, uid, submittedAtMs, array);
    aftermath.tell(event);
    const demand = demandOf(spec, array && { id: array.id ?? id, index: array.index });
    const held = spec.hold ?? false;
    const job = this.#inOrder<QueuedJob>({
      id,
      demand,
      attempts: 0,
      submittedAtMs,
      state: "QUEUED",
      held,
    });
    this.#live.set(id, job);
    this.#queue.add(job, demand.after.filter((other) => this.#live.has(other)));
    const failed = demand.after.find((other) => this.#hasFailed(other));
    if (failed !== undefined) this.#cancelDependent(job, this.nameOf(failed));
    return id;
  }

  /** Makes one transition and journals it. Throws when the job's state does not allow it. */
  change(job: LiveJob, change: Change): Job {
    const after = transition(job, change);
    const { clock, journal, aftermath } = this.parts;
    aftermath.tell(journal.record(after, change, clock.wallMs()));
    aftermath.then(() => this.#tell(after, change));
    const isHold = job.state === "QUEUED" && after.state === "QUEUED";
    if (job.state === "QUEUED" && !isHold) this.#queue.remove(job);
    if (isEnded(after)) {
      this.#live.delete(after.id);
      this.#allocations.remove(after.id);
      this.onLeft(job);
      const completed = after.state === "COMPLETED";
      const name = nameOf(after.id, after.demand.array);
      for (const other of this.#queue.ended(after.id, completed)) {
        this.#cancelDependent(other, name);
      }
      return after;
    }
    this.#live.set(after.id, after);
    if (isStarted(after)) this.#allocations.set(after, clock.bootMs());
    else if (isHold) this.#queue.replace(after);
    else {
      this.#allocations.remove(after.id);
      this.onLeft(job);
      this.#queue.add(after, []);
    }
    return after;
  }

  #cancelDependent(job: QueuedJob, on: string): void {
    const message = `job ${on}, which it was to follow, did not complete`;
    const end = { state: "CANCELLED", reason: "dependency", message } as const;
    this.change(job, { kind: "ended", end: { ...end, endedAtMs: this.parts.clock.wallMs() } });
  }

  /** A job that is no longer in the journal has ended long ago; its dependents knew its end then. */
  #hasFailed(id: number): boolean {
    if (this.#live.has(id)) return false;
    const state = this.parts.journal.stateOf(id);
    return state !== undefined && state !== "COMPLETED";
  }

  #inOrder<J extends LiveJob>(job: J): J {
    this.#submittedAtMs = Math.max(this.#submittedAtMs, job.submittedAtMs);
    return { ...job, submittedAtMs: this.#submittedAtMs };
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
