/** The CPUs that this thread, and what it starts, may run on (sched_setaffinity(2)). */

import { errorText, lastErrno, libc } from "./libc.ts";

/** 8192 CPUs, the most that Linux can be built for. Bit n of the mask is CPU n, little-endian. */
const MASK_BYTES = 1024;

export function readAffinity(): Uint8Array<ArrayBuffer> | undefined {
  const mask = new Uint8Array(MASK_BYTES);
  return libc.sched_getaffinity(0, BigInt(MASK_BYTES), mask) < 0 ? undefined : mask;
}

/**
 * Runs `start` while this thread is bound to `cpus`: a process that it starts inherits them. What
 * the thread was bound to before holds again afterwards, whatever happens. Returns why the thread
 * cannot be bound, and has started nothing then.
 */
export function onCpus<T>(cpus: readonly number[], start: () => T): T | { refused: string } {
  const before = readAffinity();
  if (setAffinity(maskOf(cpus)) < 0) {
    return { refused: `cannot run on the CPUs ${cpus.join(",")}: ${errorText(lastErrno())}` };
  }
  try {
    return start();
  } finally {
    // What is no longer there to go back to gives way to every CPU that is.
    const every = new Uint8Array(MASK_BYTES).fill(0xff);
    if (!before || setAffinity(before) < 0) setAffinity(every);
  }
}

function maskOf(cpus: readonly number[]): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(MASK_BYTES);
  for (const id of cpus) mask[id >> 3]! |= 1 << (id & 7);
  return mask;
}

function setAffinity(mask: Uint8Array<ArrayBuffer>): number {
  return libc.sched_setaffinity(0, BigInt(MASK_BYTES), mask);
}
