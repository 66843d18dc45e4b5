/**
 * Has the threads of this process run soon after they are woken, however many busy jobs share their
 * processors: by slices of the least length, which Linux 6.12 and later takes for sooner deadlines
 * (sched_setattr(2), sched_runtime of SCHED_OTHER). What they start has slices as usual again.
 */

import { libc } from "./libc.ts";

const SYS_sched_setattr: Record<string, bigint> = { x86_64: 314n, aarch64: 274n };
/** struct sched_attr of version 0 (sched_setattr(2)). */
const ATTR_BYTES = 48, FLAGS_AT = 8, NICE_AT = 16, RUNTIME_AT = 24;
/** RESET_ON_FORK and KEEP_POLICY. */
const FLAGS = 1n | 8n;
const SHORTEST_SLICE_NS = 100_000n;
const PRIO_PROCESS = 0;

/** Of all threads that there are now. Where the kernel does not know it nothing changes. */
export function takeShortSlices(): void {
  const call = SYS_sched_setattr[Deno.build.arch];
  const nice = libc.getpriority(PRIO_PROCESS, 0);
  // A niceness below 0 would not be handed on to jobs then.
  if (call === undefined || nice < 0) return;
  const attributes = new DataView(new ArrayBuffer(ATTR_BYTES));
  attributes.setUint32(0, ATTR_BYTES, true);
  attributes.setBigUint64(FLAGS_AT, FLAGS, true);
  attributes.setInt32(NICE_AT, nice, true);
  attributes.setBigUint64(RUNTIME_AT, SHORTEST_SLICE_NS, true);
  const bytes = new Uint8Array(attributes.buffer);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    libc.syscall(call, BigInt(name), BigInt(address), 0n, 0n);
  }
}
