/** What a job may use of the machine, beside CPUs and memory: names, ranges and how they are checked. */

import * as v from "valibot";

export interface Limits {
  /** Descriptors (RLIMIT_NOFILE). */
  openFiles?: number;
  /** bytes of a core file (RLIMIT_CORE) */
  coreSize?: number;
  /** bytes of any file it writes, its logs included (RLIMIT_FSIZE) */
  fileSize?: number;
  /** bytes (RLIMIT_STACK) */
  stackSize?: number;
  /** Processes and threads of the job: pids.max of its cgroup, else RLIMIT_NPROC of its user. */
  processes?: number;
  /** -20..19 */
  nice?: number;
  /** -1000..1000, what /proc/PID/oom_score_adj holds (proc(5)). */
  oomScore?: number;
  /** Octal, such as "022". */
  umask?: string;
  /** bytes of stdout and of stderr that are kept */
  logSize?: number;
}

export const MIN_NICE = -20, MAX_NICE = 19;
export const MIN_OOM_SCORE = -1000, MAX_OOM_SCORE = 1000;
/** With fewer hardly a program can begin. */
export const MIN_OPEN_FILES = 16;
/** Less would leave no room for a head and a tail. */
export const MIN_LOG_SIZE = 65_536;

const between = (least: number, most: number) =>
  v.optional(
    v.pipe(
      v.number("must be a whole number"),
      v.integer("must be a whole number"),
      v.minValue(least, `must be at least ${least}`),
      v.maxValue(most, `must be at most ${most}`),
    ),
  );
const count = (least: number) => between(least, Number.MAX_SAFE_INTEGER);

export const limitsSchema = v.strictObject({
  openFiles: count(MIN_OPEN_FILES),
  coreSize: count(0),
  fileSize: count(0),
  stackSize: count(65_536),
  processes: count(1),
  nice: between(MIN_NICE, MAX_NICE),
  oomScore: between(MIN_OOM_SCORE, MAX_OOM_SCORE),
  umask: v.optional(
    v.pipe(
      v.string("must be a string such as 022"),
      v.regex(/^0?[0-7]{1,3}$/, "must be octal, such as 022"),
    ),
  ),
  logSize: count(MIN_LOG_SIZE),
}, (issue) => issue.expected === "never" ? "is not a limit" : "must be an object of limits");

export type LimitName = keyof Limits;

/** In the order in which they are told. */
export const LIMIT_NAMES = Object.keys(limitsSchema.entries) as LimitName[];

/** Of these the smaller is the more of the machine. */
const DESCENDING: readonly LimitName[] = ["nice", "oomScore"];

export function isBeyond(name: LimitName, value: number, bound: number): boolean {
  return DESCENDING.includes(name) ? value < bound : value > bound;
}

/** What stands before the bound of what a node allows. */
export function boundWords(name: LimitName): string {
  return DESCENDING.includes(name) ? "no less than" : "at most";
}

/** What `over` says, and what `under` says besides; undefined when there is nothing. */
export function mergeLimits(over: Limits = {}, under: Limits = {}): Limits | undefined {
  const both = { ...under, ...withoutAbsent(over) };
  const names = LIMIT_NAMES.filter((name) => both[name] !== undefined);
  if (names.length === 0) return undefined;
  return Object.fromEntries(names.map((name) => [name, both[name]]));
}

function withoutAbsent(limits: Limits): Limits {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
