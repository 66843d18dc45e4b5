/** The clocks. Deadlines count in ms since boot, which no change of the wall clock moves. */

import { bytesOf, libc, must } from "./libc.ts";

const CLOCK_BOOTTIME = 7;
/** USER_HZ: what /proc counts in, 100 on every Linux that Deno runs on (proc(5), times(2)). */
const TICK_MS = 10;

/** Wall clock, ms since 1970. */
export function wallMs(): number {
  return Date.now();
}

/** ms since boot, suspend included (clock_gettime(2)). */
export function bootMs(): number {
  const time = new BigInt64Array(2);
  must("clock_gettime", libc.clock_gettime(CLOCK_BOOTTIME, bytesOf(time)));
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1e6);
}

export function ticksToMs(ticks: number): number {
  return ticks * TICK_MS;
}

/** The wall clock's reading when a process started, by its start ticks. */
export function startedAtMs(startTicks: number): number {
  return Math.round(wallMs() - (bootMs() - ticksToMs(startTicks)));
}
