/**
 * What started jobs hold of the node, in sum, by pool and by array, and in the order in which they
 * end at the latest. Memory only.
 */

import type { StartedJob } from "../job/job.ts";
import { type CpuSet, cpuSetOf } from "./cpu_sets.ts";
import { deadlineBootMs } from "./decide.ts";
import { type Amount, lastsMs, needOf } from "./lanes.ts";
import { type Holding, minus, plus } from "./schedule.ts";

interface JobHolding extends Holding {
  readonly job: StartedJob;
}

export class Allocations {
  readonly #byId = new Map<number, JobHolding>();
  readonly #inOrder: JobHolding[] = [];
  readonly #running = new Map<string | number, number>();
  readonly #cpuSets = new Map<number, CpuSet>();
  #used: Amount = { cpus: 0, memory: 0, pinned: 0 };

  get used(): Amount {
    return this.#used;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** What ends first comes first. */
  get holdings(): readonly Holding[] {
    return this.#inOrder;
  }

  jobs(): StartedJob[] {
    return [...this.#byId.values()].map(({ job }) => job);
  }

  /** Of the pinned jobs. */
  get cpuSets(): CpuSet[] {
    return [...this.#cpuSets.values()];
  }

  /** `group`: the name of a pool or the id of an array. */
  runningOf(group: string | number): number {
    return this.#running.get(group) ?? 0;
  }

  /** A job that has started, or has changed since. `nowMs`: ms since boot. */
  set(job: StartedJob, nowMs: number): void {
    const before = this.#byId.get(job.id);
    if (before) this.#takeOut(before);
    else this.#count(job, 1);
    const { pool, array } = job.demand;
    const groups = { pool, array: array?.id };
    const holding = { ...needOf(job.demand), ...groups, endsAtMs: endsAtMs(job, nowMs), job };
    this.#byId.set(job.id, holding);
    const cpuSet = cpuSetOf(job);
    if (cpuSet) this.#cpuSets.set(job.id, cpuSet);
    this.#inOrder.splice(this.#place(holding), 0, holding);
  }

  remove(id: number): void {
    const holding = this.#byId.get(id);
    if (!holding) return;
    this.#byId.delete(id);
    this.#cpuSets.delete(id);
    this.#takeOut(holding);
    this.#count(holding.job, -1);
  }

  #count({ demand }: StartedJob, sign: 1 | -1): void {
    this.#used = (sign > 0 ? plus : minus)(this.#used, needOf(demand));
    for (const group of [demand.pool, demand.array?.id]) {
      if (group === undefined) continue;
      const running = this.runningOf(group) + sign;
      if (running > 0) this.#running.set(group, running);
      else this.#running.delete(group);
    }
  }

  #takeOut(holding: JobHolding): void {
    this.#inOrder.splice(this.#place(holding), 1);
  }

  #place({ endsAtMs, job }: JobHolding): number {
    let low = 0, high = this.#inOrder.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#inOrder[middle]!;
      const isBefore = other.endsAtMs < endsAtMs ||
        (other.endsAtMs === endsAtMs && other.job.id < job.id);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** When a job has ended at the latest, ms since boot, if nothing keeps it from ending. */
function endsAtMs(job: StartedJob, nowMs: number): number {
  const { demand, stopping } = job;
  if (stopping) return stopping.sinceBootMs + demand.graceMs;
  const deadline = deadlineBootMs(job);
  return deadline === undefined ? nowMs + lastsMs(demand) : deadline + demand.graceMs;
}
