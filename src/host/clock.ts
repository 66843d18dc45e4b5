/** The clocks. Deadlines count in ms since boot, which no change of the wall clock moves. */

import type { Clock } from "../ports.ts";
import { bytesOf, libc, must } from "./libc.ts";
import type { Reactor } from "./reactor.ts";

const CLOCK_BOOTTIME = 7;
/** The last ms of the year 9999: RFC 3339 has no later one, and none of ours is before 1970. */
const LAST_MS = 253_402_300_799_999;

export const hostClock: Clock = {
  wallMs: () => Math.max(0, Math.min(Date.now(), LAST_MS)),
  bootMs,
  soon: queueMicrotask,
  after(delayMs, go) {
    const timer = setTimeout(go, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The same, where what is put off for a moment lets in whoever is ready at descriptors. */
export function clockOf(reactor: Reactor): Clock {
  const after: Clock["after"] = (delayMs, go) =>
    delayMs === 0 ? reactor.later(go) : hostClock.after(delayMs, go);
  return { ...hostClock, after };
}

const time = new BigInt64Array(2);
const timeBytes = bytesOf(time);

/** clock_gettime(2) */
function bootMs(): number {
  must("clock_gettime", libc.clock_gettime(CLOCK_BOOTTIME, timeBytes));
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1e6);
}
