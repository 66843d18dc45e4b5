/**
 * Pools: named limits of concurrent jobs. Memory holds them as the journal does; how many of their
 * jobs run and wait is counted when somebody asks.
 */

import { isStarted, type LiveJob } from "../job/job.ts";
import { refuse } from "../job/refusal.ts";
import type { Journal } from "../store/journal.ts";
import type { PoolRecord } from "../store/journal_reads.ts";

export interface PoolStatus extends PoolRecord {
  readonly running: number;
  readonly queued: number;
}

export class Pools {
  #pools = new Map<string, PoolRecord>();

  constructor(
    private readonly journal: Journal,
    private readonly jobs: () => Iterable<LiveJob>,
  ) {}

  /** Rebuilds memory from the journal. */
  load(): void {
    this.#pools = new Map(this.journal.pools().map((pool) => [pool.name, pool]));
  }

  get(name: string): PoolRecord | undefined {
    return this.#pools.get(name);
  }

  /** How many of its jobs may run at once: none while it is paused, or is not known any more. */
  limitOf(name: string): number {
    const pool = this.#pools.get(name);
    return !pool || pool.paused ? 0 : pool.limit ?? Infinity;
  }

  all(): PoolStatus[] {
    const counts = countJobs(this.jobs());
    return [...this.#pools.values()].map((pool) => ({ ...pool, ...counts.get(pool.name) ?? NONE }));
  }

  /** Within a turn: makes a pool, or changes what is given of it. `limit` 0 takes its limit away. */
  set(name: string, change: { limit?: number; paused?: boolean }): PoolStatus {
    const before = this.#pools.get(name);
    const limit = change.limit ?? before?.limit ?? 0;
    const paused = change.paused ?? before?.paused ?? false;
    const pool = { name, limit: limit === 0 ? undefined : limit, paused };
    this.journal.setPool(pool);
    this.#pools.set(name, pool);
    return { ...pool, ...this.#countsOf(name) };
  }

  /** Within a turn. */
  remove(name: string): void {
    if (!this.#pools.has(name)) refuse({ error: "NoSuchPool", name });
    const { running, queued } = this.#countsOf(name);
    const jobs = running + queued;
    if (jobs > 0) refuse({ error: "PoolInUse", name, jobs });
    this.journal.removePool(name);
    this.#pools.delete(name);
  }

  #countsOf(name: string): Counts {
    return countJobs(this.jobs()).get(name) ?? NONE;
  }
}

type Counts = Pick<PoolStatus, "running" | "queued">;

const NONE: Counts = { running: 0, queued: 0 };

/** In one pass: a queue can be long. */
function countJobs(jobs: Iterable<LiveJob>): Map<string, Counts> {
  const counts = new Map<string, { running: number; queued: number }>();
  for (const job of jobs) {
    const { pool } = job.demand;
    if (pool === undefined) continue;
    let count = counts.get(pool);
    if (!count) counts.set(pool, count = { running: 0, queued: 0 });
    if (isStarted(job)) count.running++;
    else count.queued++;
  }
  return counts;
}
