/** What the journal's rows mean: the one place where columns become jobs and events. */

import type {
  Attempt,
  QueuedJob,
  Reason,
  StartedJob,
  State,
  Stop,
  Stopping,
  Usage,
} from "../job/job.ts";
import type { ArrayMember } from "../job/job_array.ts";
import type { FullSpec } from "../job/spec.ts";
import { DEMAND_FIELDS, type Demands } from "./demands.ts";

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

/** Of what does not change any more. */
export const SUBMITTED_COLUMNS = "id, spec, array_id, array_index, array_size";

export function submitted(row: Row): Pick<JobRecord, "spec" | "array"> {
  return { spec: parsed(row, "spec"), array: arrayMember(row) };
}

export function jobRecord(row: Row): JobRecord {
  return {
    ...submitted(row),
    id: row.id,
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

/** The row of a job that has been started and has not ended. */
export function startedJob(row: Row, demands: Demands): StartedJob {
  const common = {
    id: row.id,
    demand: demands.of(parsed(row, "spec"), row.array_id ?? undefined),
    index: row.array_index ?? undefined,
    attempts: row.attempts,
    submittedAtMs: row.submitted_at,
    aheadMs: row.submitted_ahead,
  };
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

/** What `Demands.read` takes. */
const NEED = `json_extract(spec, ${DEMAND_FIELDS.map((name) => `'$.${name}'`).join(", ")})`;

/**
 * A page of queued jobs: after the id ?1, at most ?2. Each column comes as one JSON list: SQLite makes
 * a text of thousands of values in a fraction of the time that it takes to be given each, and none of
 * a spec's bulk comes here. What jobs need stands only where their spec is another than that of the job
 * ?1: most of a long queue have few, and to compare them is faster than to look into each.
 */
export const queuedPage = (condition: string) => `
  SELECT (SELECT ${NEED} FROM jobs WHERE id = ?1) AS need,
    json_group_array(id) AS ids, json_group_array(attempts) AS attempts,
    json_group_array(submitted_at) AS times, json_group_array(submitted_ahead) AS ahead,
    json_group_array(held) AS held,
    json_group_array(array_id) AS arrays, json_group_array(array_index) AS indexes,
    json_group_array(other || '') AS others
  FROM (SELECT id, attempts, submitted_at, submitted_ahead, held, array_id, array_index,
      CASE WHEN spec = (SELECT spec FROM jobs WHERE id = ?1) THEN NULL ELSE ${NEED} END AS other
    FROM jobs WHERE state = 'QUEUED' AND id > ?1 AND ${condition} ORDER BY id LIMIT ?2)`;

export function queuedJobs(row: Row, demands: Demands): QueuedJob[] {
  const [attempts, times, ahead, held, arrays, indexes, others] = [
    row.attempts,
    row.times,
    row.ahead,
    row.held,
    row.arrays,
    row.indexes,
    row.others,
  ].map((list) => JSON.parse(list));
  return JSON.parse(row.ids).map((id: number, i: number): QueuedJob => ({
    id,
    demand: demands.read(others[i] ?? row.need, arrays[i] ?? undefined),
    index: indexes[i] ?? undefined,
    attempts: attempts[i],
    submittedAtMs: times[i],
    aheadMs: ahead[i],
    state: "QUEUED",
    held: held[i] === 1,
  }));
}

function attempt(row: Row): Attempt {
  const ground = { bootId: row.boot_id, pidNamespace: row.pid_namespace };
  const { attempts: number, token, cgroup } = row;
  return { number, token, ground, cgroup: cgroup ?? undefined, cpuSet: cpuSet(row) };
}

function arrayMember(row: Row): ArrayMember | undefined {
  const { array_id: id, array_index: index, array_size: size } = row;
  return id === null ? undefined : { id, index, size };
}

function cpuSet(row: Row): number[] | undefined {
  return row.cpu_set === null ? undefined : parsed(row, "cpu_set");
}

/** Throws an Error for people: what stands there was not written by us. */
export function parsed(row: Row, column: "spec" | "cpu_set") {
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
