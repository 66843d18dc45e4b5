/** Niceness: what this supervisor has, what it may give to jobs, and what gives it: nice(1). */

import { MIN_NICE } from "../job/limits.ts";
import { bytesOf, libc } from "./libc.ts";
import { findTool } from "./setsid.ts";

const PRIO_PROCESS = 0;
const RLIMIT_NICE = 13;

export interface Nice {
  /** Absolute. */
  readonly path: string;
  /** What the supervisor has, and a job that does not ask. */
  readonly own: number;
  /** The least that a job may be given. */
  readonly least: number;
}

/** Undefined where there is no nice(1). */
export function findNice(): Nice | undefined {
  const path = findTool("nice");
  if (path === undefined) return undefined;
  const own = libc.getpriority(PRIO_PROCESS, 0);
  return { path, own, least: leastNice(own) };
}

/** Tried, on this thread alone: what root may do depends on namespaces too. */
function leastNice(own: number): number {
  if (libc.setpriority(PRIO_PROCESS, 0, MIN_NICE) === 0) {
    libc.setpriority(PRIO_PROCESS, 0, own);
    return MIN_NICE;
  }
  const limit = new BigUint64Array(2);
  if (libc.prlimit(0, RLIMIT_NICE, null, bytesOf(limit)) < 0) return own;
  return Math.min(own, 20 - Number(limit[0]));
}
