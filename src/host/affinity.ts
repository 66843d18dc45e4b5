/** The CPUs that this thread, and what it starts, may run on (sched_getaffinity(2)). */

import { libc } from "./libc.ts";

/** 8192 CPUs, the most that Linux can be built for. Bit n of the mask is CPU n, little-endian. */
const MASK_BYTES = 1024;

export function readAffinity(): Uint8Array<ArrayBuffer> | undefined {
  const mask = new Uint8Array(MASK_BYTES);
  return libc.sched_getaffinity(0, BigInt(MASK_BYTES), mask) < 0 ? undefined : mask;
}
