/** What a job has used, put together from what its shim and its cgroup tell. Pure. */

import type { Usage } from "../job/job.ts";

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
