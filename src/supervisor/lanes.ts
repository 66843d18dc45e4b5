/**
 * Lanes: waiting jobs that need the same, in the order in which they start. Where the first of a
 * lane cannot start none of it can, so a decision looks at lanes and not at every job. Pure.
 */

import type { Demand, QueuedJob } from "../job/job.ts";
import type { Pin } from "../job/spec.ts";
import { startOrder } from "./start_order.ts";

/** What jobs hold, or need, or what there is of it. */
export interface Amount {
  readonly cpus: number;
  /** bytes */
  readonly memory: number;
  /** CPUs that are one pinned job's alone. */
  readonly pinned: number;
}

export interface Lane {
  readonly need: Amount;
  readonly pin?: Pin;
  /** ms that a job may run, its grace period included; Infinity where it has no timeout. */
  readonly lastsMs: number;
  readonly pool?: string;
  /** Only where it limits how many of its jobs run at once. */
  readonly array?: { readonly id: number; readonly atOnce: number };
  /** Never empty. */
  readonly jobs: readonly QueuedJob[];
}

export class Lanes implements Iterable<Lane> {
  readonly #lanes = new Map<string, Lane & { readonly jobs: QueuedJob[] }>();
  #size = 0;

  constructor(jobs: Iterable<QueuedJob> = []) {
    for (const job of jobs) this.add(job);
  }

  get size(): number {
    return this.#size;
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes.values();
  }

  add(job: QueuedJob): void {
    const key = keyOf(job.demand);
    let lane = this.#lanes.get(key);
    if (!lane) this.#lanes.set(key, lane = { ...laneOf(job.demand), jobs: [] });
    lane.jobs.splice(placeOf(job, lane.jobs), 0, job);
    this.#size++;
  }

  /** Those of the jobs that are in lanes. */
  removeAll(jobs: Iterable<QueuedJob>): void {
    const ids = new Map<string, Set<number>>();
    for (const { id, demand } of jobs) {
      const key = keyOf(demand);
      ids.set(key, (ids.get(key) ?? new Set()).add(id));
    }
    for (const [key, gone] of ids) {
      const lane = this.#lanes.get(key);
      if (!lane) continue;
      const jobs = lane.jobs.filter(({ id }) => !gone.has(id));
      this.#size -= lane.jobs.length - jobs.length;
      if (jobs.length > 0) this.#lanes.set(key, { ...lane, jobs });
      else this.#lanes.delete(key);
    }
  }

  /** False when it is not in a lane. */
  remove(job: QueuedJob): boolean {
    const key = keyOf(job.demand);
    const jobs = this.#lanes.get(key)?.jobs ?? [];
    const place = placeOf(job, jobs);
    if (jobs[place]?.id !== job.id) return false;
    jobs.splice(place, 1);
    if (jobs.length === 0) this.#lanes.delete(key);
    this.#size--;
    return true;
  }
}

export function needOf({ cpus, memory, pin }: Demand): Amount {
  return { cpus, memory, pinned: pin === "exclusive" ? cpus : 0 };
}

/** ms that a job may run, its grace period included; Infinity where it has no timeout. */
export function lastsMs({ timeoutMs, graceMs }: Demand): number {
  return timeoutMs === 0 ? Infinity : timeoutMs + graceMs;
}

function laneOf(demand: Demand): Omit<Lane, "jobs"> {
  const { pin, pool, array } = demand;
  const limited = array?.atOnce === undefined ? undefined : { ...array, atOnce: array.atOnce };
  return { need: needOf(demand), pin, lastsMs: lastsMs(demand), pool, array: limited };
}

/** Jobs share demands. */
const KEYS = new WeakMap<Demand, string>();

function keyOf(demand: Demand): string {
  let key = KEYS.get(demand);
  if (key !== undefined) return key;
  const { cpus, memory, pin, pool = "", array } = demand;
  const limited = array?.atOnce === undefined ? "" : array.id;
  key = `${cpus} ${memory} ${pin} ${lastsMs(demand)} ${pool} ${limited}`;
  KEYS.set(demand, key);
  return key;
}

/** How many of a lane's jobs start before it. */
export function placeOf(job: QueuedJob, jobs: readonly QueuedJob[]): number {
  // A new job mostly comes last.
  if (jobs.length > 0 && startOrder(jobs.at(-1)!, job) < 0) return jobs.length;
  let low = 0, high = jobs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (startOrder(jobs[middle]!, job) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
