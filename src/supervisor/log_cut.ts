/**
 * How much of a log is kept, where it is cut, and how soon it must be looked at again. The first half
 * of what is kept is the beginning of the log and the second the newest part of it. Pure.
 */

import type { LogState, Space } from "../ports.ts";

const MIB = 2 ** 20;
/** What one job is taken to write in a second at most. If it writes more, more is cut at once. */
const LOG_RATE = 256 * MIB;
/** What all of them are; a look at the disk costs next to nothing. */
const DISK_RATE = 1024 * MIB;
const SOONEST_MS = 250, LATEST_MS = 30_000;
const SOONEST_DISK_MS = 20;
/** One that writes nothing is looked at no more often than this, however little it may write. */
const QUIET_MS = 4000;
/** Of a disk, what may be kept free of logs, and what the ballast may take. */
const SHARE_OF_DISK = 20;
const BALLAST = 32 * MIB;
/** A disk whose share is smaller is too small for one. */
const LEAST_BALLAST = MIB;
/** What is left of a log for which the disk has no room. */
export const LEAST_KEPT = 2 * MIB;

export interface Piece {
  readonly from: number;
  readonly to: number;
}

/** bytes of it that are on the disk */
export function kept({ size, gap }: LogState): number {
  return gap ? size - (gap.to - gap.from) : size;
}

/** What a log that runs may hold before it is cut to its limit: not every look is to cut a little. */
export function ceilingOf(limit: number): number {
  return limit + limit / 8;
}

/** What is to be gone so that `keep` bytes, and no more than the blocks at the edges, are left. */
export function cutTo(log: LogState, keep: number): Piece | undefined {
  const { size, gap, block } = log;
  const half = keep / 2;
  const from = Math.min(gap?.from ?? Infinity, Math.ceil(half / block) * block);
  const to = Math.max(gap?.to ?? 0, Math.floor((size - half) / block) * block);
  const before = gap ? gap.to - gap.from : 0;
  return to - from >= before + block ? { from, to } : undefined;
}

/** `sinceMs`: how long ago it was looked at before, if it has written nothing since. */
export function nextLookMs(held: number, limit: number, sinceMs?: number): number {
  const soonest = within((ceilingOf(limit) - held) / LOG_RATE * 1000);
  if (sinceMs === undefined) return soonest;
  return Math.max(soonest, Math.min(2 * sinceMs, QUIET_MS));
}

/** The reserve of a small disk is written full sooner than that of a large one. */
export function nextDiskLookMs({ free }: Space, reserve: number): number {
  const soonest = Math.max(SOONEST_DISK_MS, Math.min(SOONEST_MS, reserve / DISK_RATE * 1000));
  return Math.max(soonest, Math.min(LATEST_MS, (free - reserve) / DISK_RATE * 1000));
}

/** What is kept free of `disk`, if so much was asked for. */
export function reserveOf({ total }: Space, asked: number): number {
  return Math.min(asked, total / SHARE_OF_DISK);
}

/** bytes of the ballast; 0 for none */
export function ballastOf(disk: Space, asked: number): number {
  const bytes = Math.min(BALLAST, reserveOf(disk, asked));
  return bytes < LEAST_BALLAST ? 0 : Math.floor(bytes / MIB) * MIB;
}

/**
 * Which logs to cut to how much, so that `wanted` bytes are given back: the biggest first, each time
 * to half of what it has. Empty when none has anything to give.
 */
export function relief<T extends LogState>(logs: readonly T[], wanted: number): Map<T, number> {
  const sizes = new Map(logs.map((log) => [log, kept(log)]));
  const cuts = new Map<T, number>();
  const candidates = logs.filter((log) => kept(log) > LEAST_KEPT + 2 * log.block);
  for (let given = 0; given < wanted && candidates.length > 0;) {
    const biggest = candidates.reduce((a, b) => sizes.get(b)! > sizes.get(a)! ? b : a);
    const before = sizes.get(biggest)!;
    if (before <= LEAST_KEPT) break;
    const after = Math.max(LEAST_KEPT, before / 2);
    given += before - after;
    sizes.set(biggest, after);
    cuts.set(biggest, after);
  }
  return cuts;
}

/** Looks at many logs fall together, so that they wake nobody one by one. */
export function together(atMs: number, delayMs: number): number {
  if (delayMs > 0 && delayMs < SOONEST_MS) return atMs + delayMs;
  const grid = delayMs < 2000 ? SOONEST_MS : 1000;
  return Math.ceil((atMs + delayMs) / grid) * grid;
}

function within(ms: number): number {
  return Math.max(SOONEST_MS, Math.min(LATEST_MS, ms));
}
