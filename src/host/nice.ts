/** Niceness: the least that this supervisor may give to jobs. */

import { MIN_NICE } from "../job/limits.ts";
import { bytesOf, libc } from "./libc.ts";

const PRIO_PROCESS = 0;
const RLIMIT_NICE = 13;

/** Tried, on this thread alone: what root may do depends on namespaces too. */
export function leastNice(): number {
  const own = libc.getpriority(PRIO_PROCESS, 0);
  if (libc.setpriority(PRIO_PROCESS, 0, MIN_NICE) === 0) {
    libc.setpriority(PRIO_PROCESS, 0, own);
    return MIN_NICE;
  }
  const limit = new BigUint64Array(2);
  if (libc.prlimit(0, RLIMIT_NICE, null, bytesOf(limit)) < 0) return own;
  return Math.min(own, 20 - Number(limit[0]));
}
