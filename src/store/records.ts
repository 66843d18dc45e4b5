/** What the journal's rows mean: the one place where columns become jobs and events. */

import type { Attempt, Demand, LiveJob, Reason, State, Stop, Stopping, Usage } from "../job/job.ts";
import { type ArrayMember, atOnceOf } from "../job/job_array.ts";
import type { FullSpec } from "../job/spec.ts";

/** A job as it is told to others. Times are ms since 1970. */
export interface JobRecord {
  readonly id: number;
  readonly spec: FullSpec;
  readonly uid: number;
  readonly state: State;
  readonly stopping?: Stop;
  readonly reason?: Reason;
  readonly message?: string;
  readonly exitCode?: string;
  readonly coreDumped?: true;
  readonly pid?: number;
  readonly adopted: boolean;
  readonly released: boolean;
  readonly usage?: Usage;
  readonly held?: boolean;
  readonly array?: ArrayMember;
  /** Ascending. */
  readonly cpuSet?: readonly number[];
  readonly submittedAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  /** ms from start to end by the boot clock, where known. */
  readonly elapsedMs?: number;
}

export interface EventRecord {
  readonly sequence: number;
  readonly atMs: number;
  readonly id: number;
  readonly state: State;
  readonly stopping?: Stop;
  readonly reason?: Reason;
  readonly message?: string;
}

export type Row = Record<string, any>;

export const JOB_COLUMNS = `
  jobs.id, spec, uid, state, attempts, stopping, stopping_boot_ms, adopted, reason, message, exit_code,
  core_dumped, user_time_ms, system_time_ms, max_memory, read_bytes, written_bytes,
  submitted_at, submitted_ahead, started_at, ended_at, elapsed_ms, held, array_id, array_index, array_size, cgroup, cpu_set,
  process_id, process_start_ticks, shim_process_id, shim_start_ticks,
  boot_id, pid_namespace, token, released`;

export const JOB_TABLES = "jobs LEFT JOIN resource_allocations ON job_id = jobs.id";

export function jobRecord(row: Row): JobRecord {
  return {
    id: row.id,
    spec: parsed(row, "spec"),
    uid: row.uid,
    state: row.state,
    stopping: row.stopping ?? undefined,
    reason: row.reason ?? undefined,
    message: row.message ?? undefined,
    exitCode: row.exit_code ?? undefined,
    coreDumped: row.core_dumped === 1 || undefined,
    pid: row.process_id ?? undefined,
    adopted: row.adopted === 1,
    released: row.released === null ? row.ended_at !== null : row.released === 1,
    usage: usage(row),
    held: row.held === 1 || undefined,
    array: arrayMember(row),
    cpuSet: cpuSet(row),
    submittedAtMs: row.submitted_at,
    startedAtMs: row.started_at ?? undefined,
    endedAtMs: row.ended_at ?? undefined,
    elapsedMs: row.elapsed_ms ?? undefined,
  };
}

export function eventRecord(row: Row): EventRecord {
  return {
    sequence: row.sequence,
    atMs: row.at,
    id: row.job_id,
    state: row.state,
    stopping: row.stopping ?? undefined,
    reason: row.reason ?? undefined,
    message: row.message ?? undefined,
  };
}

/** `array`: of a job of an array. */
export function demandOf(
  spec: FullSpec,
  array?: { readonly id: number; readonly index: number },
): Demand {
  return {
    pool: spec.pool,
    pin: spec.pin,
    notBeforeMs: spec.notBefore === undefined ? undefined : Date.parse(spec.notBefore),
    array: array && { ...array, atOnce: atOnceOf(spec.array ?? "") },
    cpus: spec.cpus,
    memory: spec.memory,
    priority: spec.priority,
    after: spec.after,
    timeoutMs: spec.timeout * 1000,
    graceMs: spec.grace * 1000,
  };
}

/** The row of a job that has not ended. */
export function liveJob(row: Row): LiveJob {
  const common = {
    id: row.id,
    demand: demandOf(parsed(row, "spec"), arrayPlace(row)),
    attempts: row.attempts,
    submittedAtMs: row.submitted_at,
    aheadMs: row.submitted_ahead,
  };
  if (row.state === "QUEUED") return { ...common, state: "QUEUED", held: row.held === 1 };
  const started = { ...common, attempt: attempt(row), stopping: stopping(row) };
  if (row.state === "STARTING") return { ...started, state: "STARTING" };
  return {
    ...started,
    state: "RUNNING",
    shim: identity(row.shim_process_id, row.shim_start_ticks),
    leader: identity(row.process_id, row.process_start_ticks)!,
    startedAtMs: row.started_at,
    adopted: row.adopted === 1,
  };
}

function attempt(row: Row): Attempt {
  const ground = { bootId: row.boot_id, pidNamespace: row.pid_namespace };
  const { attempts: number, token, cgroup } = row;
  return { number, token, ground, cgroup: cgroup ?? undefined, cpuSet: cpuSet(row) };
}

function arrayMember(row: Row): ArrayMember | undefined {
  const place = arrayPlace(row);
  return place && { ...place, size: row.array_size };
}

function arrayPlace(row: Row): { id: number; index: number } | undefined {
  return row.array_id === null ? undefined : { id: row.array_id, index: row.array_index };
}

function cpuSet(row: Row): number[] | undefined {
  return row.cpu_set === null ? undefined : parsed(row, "cpu_set");
}

/** Throws an Error for people: what stands there was not written by us. */
function parsed(row: Row, column: "spec" | "cpu_set") {
  try {
    return JSON.parse(row[column]);
  } catch {
    const what = `job ${row.id}: its ${column} in the journal cannot be read`;
    throw new Error(`${what}; end the supervisor, and make a new journal with: holdfast rebuild`);
  }
}

function stopping(row: Row): Stopping | undefined {
  return row.stopping ? { kind: row.stopping, sinceBootMs: row.stopping_boot_ms } : undefined;
}

function identity(pid: number | null, startTicks: number | null) {
  return pid === null || startTicks === null ? undefined : { pid, startTicks };
}

function usage(row: Row): Usage | undefined {
  if (row.user_time_ms === null) return undefined;
  return {
    userTimeMs: row.user_time_ms,
    systemTimeMs: row.system_time_ms,
    maxMemory: row.max_memory ?? undefined,
    readBytes: row.read_bytes ?? undefined,
    writtenBytes: row.written_bytes ?? undefined,
  };
}
