/** The clocks. Deadlines count in ms since boot, which no change of the wall clock moves. */

import { clearImmediate, setImmediate } from "node:timers";
import type { Clock } from "../ports.ts";
import { bytesOf, libc, must } from "./libc.ts";

const CLOCK_BOOTTIME = 7;

export const hostClock: Clock = {
  wallMs: () => Date.now(),
  bootMs,
  soon: queueMicrotask,
  after(delayMs, go) {
    if (delayMs === 0) {
      const immediate = setImmediate(go);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(go, delayMs);
    return () => clearTimeout(timer);
  },
};

/** clock_gettime(2) */
function bootMs(): number {
  const time = new BigInt64Array(2);
  must("clock_gettime", libc.clock_gettime(CLOCK_BOOTTIME, bytesOf(time)));
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1e6);
}
