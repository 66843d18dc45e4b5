/**
 * What each column of the journal may hold: the one table by which rows that come out of a damaged
 * journal are checked. Every column that the steps of `schema.ts` make stands here, and a new step
 * brings its own; what several columns must say together is in `recover/plan_rows.ts`.
 */

import { parseExit } from "../job/exit_status.ts";
import { MS_PER_TICK } from "../job/identity.ts";
import { END_STATES, LIVE_STATES, REASONS, STOPS } from "../job/job.ts";
import { MAX_ARRAY_SIZE, MAX_INDEX } from "../job/job_array.ts";
import { LARGE_CHANGE_KINDS } from "../job/large_change.ts";
import { isInvalid, isPoolName, MAX_JOB_CPUS, readSpec } from "../job/spec.ts";

export interface Column {
  readonly kind: "INTEGER" | "TEXT";
  /** Whether null says nothing. */
  readonly isRequired: boolean;
  /** What it holds in the rows of a journal that was made without it. */
  readonly byDefault?: number;
  /** Whether a value of its kind can be what the journal once wrote. */
  readonly isFit: (value: any) => boolean;
}

/** More jobs than a thousand a second make in thirty years. */
const MAX_ID = 1e12;
/** The last ms of the year 9999: RFC 3339 has no later one. */
const MAX_TIME = 253_402_300_799_999;
/** No machine runs for ten years: a time beyond would be one that never comes. */
const MAX_UPTIME_MS = 10 * 366 * 86_400_000;
/** PID_MAX_LIMIT of 64-bit machines (proc_sys_kernel(5)). */
const MAX_PID = 4_194_304;
/** The most CPUs that Linux can be built for. */
const MAX_CPUS = 8192;
/** The last uid is nobody's: -1 means "no change" to chown(2). */
const MAX_UID = 2 ** 32 - 2;

const STATES = [...LIVE_STATES, ...END_STATES];
const SETTINGS: Record<string, RegExp> = {
  draining: /^(yes|no)$/,
  written: /^\d+$/,
  clock: /^\S+ \d{1,15} -?\d{1,15} -?\d{1,15}( -?\d{1,15}:\d{1,15}:\d{1,15})*$/,
};

const id = whole(1, MAX_ID);
const time = whole(0, MAX_TIME);
const bootTime = whole(0, MAX_UPTIME_MS);
const startTicks = whole(0, MAX_UPTIME_MS / MS_PER_TICK);
const count = whole(0, Number.MAX_SAFE_INTEGER);
const ahead = orElse(0, whole(-MAX_TIME, MAX_TIME));
const flag = orElse(0, whole(0, 1));
const text = { kind: "TEXT", isRequired: true, isFit: () => true } as const;
const word = { ...text, isFit: (value: string) => /^\S+$/.test(value) };

const TABLES = {
  jobs: {
    id,
    key: maybe(text),
    name: maybe(text),
    uid: whole(0, MAX_UID),
    spec: parsed((spec) => !isInvalid(readSpec(spec))),
    state: oneOf(STATES),
    attempts: orElse(0, count),
    stopping: maybe(oneOf(STOPS)),
    stopping_boot_ms: maybe(bootTime),
    adopted: flag,
    reason: maybe(oneOf(REASONS)),
    message: maybe(text),
    exit_code: maybe({ ...text, isFit: isExit }),
    user_time_ms: maybe(count),
    system_time_ms: maybe(count),
    max_memory: maybe(count),
    submitted_at: time,
    started_at: maybe(time),
    ended_at: maybe(time),
    held: flag,
    array_id: maybe(id),
    array_index: maybe(whole(0, MAX_INDEX)),
    array_size: maybe(whole(1, MAX_ARRAY_SIZE)),
    read_bytes: maybe(count),
    written_bytes: maybe(count),
    submitted_ahead: ahead,
    ended_ahead: ahead,
    elapsed_ms: maybe(count),
  },
  resource_allocations: {
    job_id: id,
    allocated_cpus: whole(1, MAX_JOB_CPUS),
    allocated_memory: count,
    node_name: text,
    process_id: maybe(whole(1, MAX_PID)),
    process_start_ticks: maybe(startTicks),
    shim_process_id: maybe(whole(1, MAX_PID)),
    shim_start_ticks: maybe(startTicks),
    boot_id: word,
    pid_namespace: word,
    token: word,
    released: flag,
    released_time: maybe(time),
    cgroup: maybe({ ...text, isFit: isPath }),
    cpu_set: maybe(parsed(isCpuSet)),
  },
  events: {
    sequence: id,
    at: time,
    job_id: id,
    state: oneOf(STATES),
    stopping: maybe(oneOf(STOPS)),
    reason: maybe(oneOf(REASONS)),
    message: maybe(text),
  },
  settings: {
    name: oneOf(Object.keys(SETTINGS)),
    value: text,
  },
  pools: {
    name: { ...text, isFit: isPoolName },
    job_limit: maybe(whole(1, Number.MAX_SAFE_INTEGER)),
    paused: flag,
  },
  large_changes: {
    sequence: id,
    kind: oneOf(LARGE_CHANGE_KINDS),
    at: time,
    ids: parsed(areRanges),
    done_until: count,
    skipped: parsed((ids) => Array.isArray(ids) && ids.every(isId)),
  },
} as const satisfies Record<string, Record<string, Column>>;

export type TableName = keyof typeof TABLES;

export const COLUMNS: Readonly<Record<TableName, Readonly<Record<string, Column>>>> = TABLES;

/** `value`: as it was read; undefined where the journal was made without the column. */
export function isFit(column: Column, value: unknown): boolean {
  if (value === undefined && column.byDefault !== undefined) return true;
  if (value === undefined || value === null) return !column.isRequired;
  const kind = column.kind === "TEXT" ? "string" : "number";
  return typeof value === kind && column.isFit(value);
}

/** Whether a job can have been given this id. */
export function isId(value: unknown): value is number {
  return isFit(id, value);
}

export function isSettingFit(name: string, value: string): boolean {
  return SETTINGS[name]?.test(value) ?? false;
}

function whole(least: number, most: number): Column {
  const isFit = (value: number) => Number.isSafeInteger(value) && value >= least && value <= most;
  return { kind: "INTEGER", isRequired: true, isFit };
}

function oneOf(words: readonly string[]): Column {
  return { ...text, isFit: (value) => words.includes(value) };
}

function maybe(column: Column): Column {
  return { ...column, isRequired: false };
}

function orElse(byDefault: number, column: Column): Column {
  return { ...column, byDefault };
}

/** JSON of which something holds. */
function parsed(holds: (value: unknown) => boolean): Column {
  return {
    ...text,
    isFit: (json: string) => {
      try {
        return holds(JSON.parse(json));
      } catch {
        return false;
      }
    },
  };
}

/** Ascending, from the first id to the last of each. */
function areRanges(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  const pairs = value.every((range) => Array.isArray(range) && range.length === 2);
  const ids: unknown[] = value.flat();
  const isAfter = (one: unknown, at: number) => {
    const least = at === 0 ? 1 : Number(ids[at - 1]) + (at % 2 === 0 ? 1 : 0);
    return isId(one) && one >= least;
  };
  return pairs && ids.every(isAfter);
}

function isCpuSet(value: unknown): boolean {
  const isAfter = (cpu: unknown, at: number) =>
    Number.isInteger(cpu) && Number(cpu) > (at === 0 ? -1 : (value as number[])[at - 1]!);
  return Array.isArray(value) && value.length > 0 && value.every(isAfter) &&
    value.at(-1) < MAX_CPUS;
}

/** Absolute, and written in one way only. */
function isPath(value: string): boolean {
  return /^(\/[^/\0]+)+$/.test(value) && !/\/\.\.?(\/|$)/.test(value);
}

function isExit(value: string): boolean {
  try {
    parseExit(value);
    return true;
  } catch {
    return false;
  }
}
