/** The clocks. Deadlines count in ms since boot, which no change of the wall clock moves. */

import { clearImmediate, setImmediate } from "node:timers";
import type { Clock } from "../ports.ts";
import { bytesOf, libc, must } from "./libc.ts";

const CLOCK_BOOTTIME = 7;
/** The last ms of the year 9999: RFC 3339 has no later one, and none of ours is before 1970. */
const LAST_MS = 253_402_300_799_999;

export const hostClock: Clock = {
  wallMs: () => Math.max(0, Math.min(Date.now(), LAST_MS)),
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

const time = new BigInt64Array(2);
const timeBytes = bytesOf(time);

/** clock_gettime(2) */
function bootMs(): number {
  must("clock_gettime", libc.clock_gettime(CLOCK_BOOTTIME, timeBytes));
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1e6);
}
