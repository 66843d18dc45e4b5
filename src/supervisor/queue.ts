/**
 * The queued jobs: those that are ready, in the order in which they start, and those that wait for
 * others to complete. Memory only; the journal is the truth and can always rebuild it.
 */

import type { QueuedJob } from "../job/job.ts";
import { startOrder } from "./schedule.ts";

export class Queue {
  #ready: QueuedJob[] = [];
  #blocked = new Map<number, { job: QueuedJob; on: Set<number> }>();
  #dependents = new Map<number, Set<number>>();

  get size(): number {
    return this.#ready.length + this.#blocked.size;
  }

  /** `on`: ids of the jobs that it still waits for. */
  add(job: QueuedJob, on: readonly number[]): void {
    if (on.length === 0) {
      this.#ready.splice(this.#place(job), 0, job);
      return;
    }
    this.#blocked.set(job.id, { job, on: new Set(on) });
    for (const id of on) {
      const ids = this.#dependents.get(id) ?? new Set();
      this.#dependents.set(id, ids.add(job.id));
    }
  }

  remove(job: QueuedJob): void {
    if (this.#blocked.delete(job.id)) return;
    const place = this.#place(job);
    if (this.#ready[place]?.id === job.id) this.#ready.splice(place, 1);
  }

  ready(): Iterable<QueuedJob> {
    return this.#ready;
  }

  isBlocked(id: number): boolean {
    return this.#blocked.has(id);
  }

  /**
   * A job has ended. Takes out and returns the jobs that can never start now: each once, though more
   * of those that it follows may fail in the same breath.
   */
  ended(id: number, completed: boolean): QueuedJob[] {
    const dependents = [...this.#dependents.get(id) ?? []].flatMap((dependent) =>
      this.#blocked.get(dependent) ?? []
    );
    this.#dependents.delete(id);
    const lost: QueuedJob[] = [];
    for (const { job, on } of dependents) {
      on.delete(id);
      if (completed && on.size > 0) continue;
      this.#blocked.delete(job.id);
      if (completed) this.add(job, []);
      else lost.push(job);
    }
    return lost;
  }

  #place(job: QueuedJob): number {
    let low = 0, high = this.#ready.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (startOrder(this.#ready[middle]!, job) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
