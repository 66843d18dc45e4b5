/**
 * The queued jobs: those that are ready, in lanes, and those that wait for others to complete, for a
 * time or for their release. Memory only; the journal is the truth and can always rebuild it.
 */

import type { QueuedJob } from "../job/job.ts";
import { Heap } from "./heap.ts";
import { type Lane, Lanes } from "./lanes.ts";

interface Waiting {
  job: QueuedJob;
  /** Ids of jobs that must complete first. */
  readonly on: Set<number>;
}

/** Of the many that wait for no other: never changed. */
const NONE = new Set<number>();

export class Queue {
  readonly #lanes = new Lanes();
  readonly #waiting = new Map<number, Waiting>();
  readonly #dependents = new Map<number, Set<number>>();
  /** Those that wait for a time; some may have left since. */
  readonly #times = new Heap<QueuedJob>((a, b) => timeOf(a) < timeOf(b));
  #nowMs = 0;

  get size(): number {
    return this.#lanes.size + this.#waiting.size;
  }

  /** The ready jobs. */
  lanes(): Iterable<Lane> {
    return this.#lanes;
  }

  /** `on`: ids of the jobs that it still waits for. */
  add(job: QueuedJob, on: readonly number[]): void {
    if (timeOf(job) > this.#nowMs) this.#times.push(job);
    this.#put({ job, on: on.length === 0 ? NONE : new Set(on) });
    for (const id of on) {
      const ids = this.#dependents.get(id) ?? new Set();
      this.#dependents.set(id, ids.add(job.id));
    }
  }

  remove(job: QueuedJob): void {
    if (!this.#lanes.remove(job)) this.#waiting.delete(job.id);
  }

  removeAll(jobs: readonly QueuedJob[]): void {
    this.#lanes.removeAll(jobs);
    for (const { id } of jobs) this.#waiting.delete(id);
  }

  /** The same jobs, held or released. */
  replaceAll(jobs: readonly QueuedJob[]): void {
    const waiting = jobs.map((job) => ({ job, on: this.#waiting.get(job.id)?.on ?? NONE }));
    this.removeAll(jobs);
    for (const each of waiting) this.#put(each);
  }

  /** Ids of the jobs that must complete before this one can start. */
  waitsFor(id: number): number[] {
    return [...this.#waiting.get(id)?.on ?? []];
  }

  /**
   * Tells the time, wall clock ms: jobs whose time has come become ready. Returns the next time at
   * which one's does.
   */
  tellTime(nowMs: number): number | undefined {
    this.#nowMs = nowMs;
    for (let job; (job = this.#times.pop());) {
      if (timeOf(job) > nowMs) {
        this.#times.push(job);
        return timeOf(job);
      }
      const waiting = this.#waiting.get(job.id);
      if (!waiting) continue;
      this.#waiting.delete(job.id);
      this.#put(waiting);
    }
    return undefined;
  }

  /**
   * A job has ended. Takes out and returns the jobs that can never start now, those that were to
   * follow these included: each once, and behind one that it was to follow.
   */
  ended(id: number, completed: boolean): QueuedJob[] {
    if (!completed) return this.failed([id]);
    for (const waiting of this.#followersOf(id)) {
      this.#waiting.delete(waiting.job.id);
      waiting.on.delete(id);
      this.#put(waiting);
    }
    return [];
  }

  /** The same of several that have not completed, or never will. */
  failed(ids: readonly number[]): QueuedJob[] {
    const taken: QueuedJob[] = [];
    const next = [...ids];
    for (let at = 0; at < next.length; at++) {
      for (const { job } of this.#followersOf(next[at]!)) {
        this.#waiting.delete(job.id);
        taken.push(job);
        next.push(job.id);
      }
    }
    return taken;
  }

  #followersOf(id: number): Waiting[] {
    const followers = [...this.#dependents.get(id) ?? []];
    this.#dependents.delete(id);
    return followers.flatMap((follower) => this.#waiting.get(follower) ?? []);
  }

  #put(waiting: Waiting): void {
    const { job, on } = waiting;
    if (job.held || on.size > 0 || timeOf(job) > this.#nowMs) this.#waiting.set(job.id, waiting);
    else this.#lanes.add(job);
  }
}

function timeOf({ demand }: QueuedJob): number {
  return demand.notBeforeMs ?? 0;
}
