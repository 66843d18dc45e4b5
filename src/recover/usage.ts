/** What a job has used, put together from what its shim, its cgroup and its reaping tell. Pure. */

import { MS_PER_TICK } from "../job/identity.ts";
import type { Usage } from "../job/job.ts";
import type { ExitRecord } from "../ports.ts";

export function recordedUsage(record: ExitRecord, maxMemory: number | undefined): Usage {
  const { userTicks, systemTicks, readBytes, writtenBytes } = record;
  return {
    userTimeMs: userTicks * MS_PER_TICK,
    systemTimeMs: systemTicks * MS_PER_TICK,
    maxMemory,
    readBytes,
    writtenBytes,
  };
}

/**
 * The larger of each, since each misses something: a shim counts what was waited for alone, a cgroup
 * leaves out what was not yet written back to storage.
 */
export function largerUsage(a: Usage, b: Usage): Usage {
  return {
    userTimeMs: Math.max(a.userTimeMs, b.userTimeMs),
    systemTimeMs: Math.max(a.systemTimeMs, b.systemTimeMs),
    maxMemory: larger(a.maxMemory, b.maxMemory),
    readBytes: larger(a.readBytes, b.readBytes),
    writtenBytes: larger(a.writtenBytes, b.writtenBytes),
  };
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}
