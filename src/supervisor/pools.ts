/**
 * Pools: named limits of concurrent jobs. Memory holds them as the journal does; how many of their
 * jobs run and wait is counted when somebody asks.
 */

import { isStarted, type LiveJob } from "../job/job.ts";
import { refuse } from "../job/refusal.ts";
import type { Journal, PoolRecord } from "../store/journal.ts";

export interface PoolStatus extends PoolRecord {
  readonly running: number;
  readonly queued: number;
}

export class Pools {
  #pools = new Map<string, PoolRecord>();

  constructor(
    private readonly journal: Journal,
    private readonly jobs: () => readonly LiveJob[],
  ) {
    this.load();
  }

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
    const jobs = this.jobs();
    return [...this.#pools.values()].map((pool) => withCounts(pool, jobs));
  }

  /** Within a turn: makes a pool, or changes what is given of it. `limit` 0 takes its limit away. */
  set(name: string, change: { limit?: number; paused?: boolean }): PoolStatus {
    const before = this.#pools.get(name);
    const limit = change.limit ?? before?.limit ?? 0;
    const paused = change.paused ?? before?.paused ?? false;
    const pool = { name, limit: limit === 0 ? undefined : limit, paused };
    this.journal.setPool(pool);
    this.#pools.set(name, pool);
    return withCounts(pool, this.jobs());
  }

  /** Within a turn. */
  remove(name: string): void {
    const pool = this.#pools.get(name) ?? refuse({ error: "NoSuchPool", name });
    const { running, queued } = withCounts(pool, this.jobs());
    const jobs = running + queued;
    if (jobs > 0) refuse({ error: "PoolInUse", name, jobs });
    this.journal.removePool(name);
    this.#pools.delete(name);
  }
}

function withCounts(pool: PoolRecord, jobs: readonly LiveJob[]): PoolStatus {
  const inPool = jobs.filter(({ demand }) => demand.pool === pool.name);
  const running = inPool.filter(isStarted).length;
  return { ...pool, running, queued: inPool.length - running };
}
