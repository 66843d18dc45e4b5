/**
 * Which CPUs a pinned job gets. An exclusive set shares no CPU with that of any other pinned job; a
 * shared one may share with other shared ones. Jobs that are not pinned are not looked at.
 */

import type { StartedJob } from "../job/job.ts";
import type { Pin } from "../job/spec.ts";

export interface CpuSet {
  readonly pin: Pin;
  readonly cpus: readonly number[];
}

/** The set of a pinned job. */
export function cpuSetOf({ demand, attempt }: StartedJob): CpuSet | undefined {
  // A job that has a set and no pin would be a mistake; nobody else gets its CPUs.
  return attempt.cpuSet && { pin: demand.pin ?? "exclusive", cpus: attempt.cpuSet };
}

/** How many of the node's CPUs a job of this pin can have now. */
export function freeCpus(pin: Pin, all: readonly number[], taken: readonly CpuSet[]): number {
  return usable(pin, all, taken).length;
}

/**
 * `count` CPUs of `all` (ascending), ascending; undefined when there are not so many. An exclusive
 * set is the first run of neighbours that is long enough, else the lowest ids; a shared one those
 * with the fewest jobs, the lowest of them first.
 */
export function chooseCpus(
  pin: Pin,
  count: number,
  all: readonly number[],
  taken: readonly CpuSet[],
): number[] | undefined {
  const free = usable(pin, all, taken);
  if (count > free.length) return undefined;
  if (pin === "exclusive") return firstRun(free, count) ?? free.slice(0, count);
  const load = countJobs(taken);
  const jobs = (id: number) => load.get(id) ?? 0;
  return free.sort((a, b) => jobs(a) - jobs(b) || a - b).slice(0, count).sort((a, b) => a - b);
}

function usable(pin: Pin, all: readonly number[], taken: readonly CpuSet[]): number[] {
  const barred = taken.filter((set) => pin === "exclusive" || set.pin === "exclusive");
  const held = countJobs(barred);
  return all.filter((id) => !held.has(id));
}

function firstRun(ids: readonly number[], count: number): number[] | undefined {
  const from = ids.findIndex((id, at) => ids[at + count - 1] === id + count - 1);
  return from < 0 ? undefined : ids.slice(from, from + count);
}

/** How many sets each CPU is in. */
function countJobs(sets: readonly CpuSet[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of sets.flatMap(({ cpus }) => cpus)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
