/**
 * The journal: every job, allocation and event, and the only way to change them. All that one turn
 * of the supervisor changes goes into one transaction.
 *
 * Contract: when `transact` has returned, everything in it is on disk; when it throws, or we die in
 * it, nothing of it is. Reads see what is committed.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { formatExit } from "../job/exit_status.ts";
import type { Change, EndedJob, Job, LiveJob, Reason, State, Stop } from "../job/job.ts";
import type { ArrayMember } from "../job/job_array.ts";
import type { FullSpec } from "../job/spec.ts";
import type { JournalSource } from "./database.ts";
import {
  type EventRecord,
  eventRecord,
  JOB_COLUMNS,
  JOB_TABLES,
  type JobRecord,
  jobRecord,
  liveJob,
  type Row,
} from "./records.ts";

/** The journal could not be written; nothing of the transaction has happened. */
export class JournalUnavailable extends Error {
  override name = "JournalUnavailable";
}

export interface ListQuery {
  readonly states?: readonly State[];
  readonly name?: string;
  /** Only ids above this. */
  readonly after?: number;
  readonly limit: number;
  /** Only the jobs of this array. */
  readonly array?: number;
}

export interface PoolRecord {
  readonly name: string;
  /** Jobs at once; undefined for no limit. */
  readonly limit?: number;
  readonly paused: boolean;
}

interface EventText {
  readonly stopping?: Stop;
  readonly reason?: Reason;
  readonly message?: string;
}

const LIVE = "state IN ('QUEUED', 'STARTING', 'RUNNING')";

export class Journal {
  #database!: DatabaseSync;
  #statements = new Map<string, StatementSync>();

  constructor(private readonly source: JournalSource, private readonly nodeName: string) {}

  /** Before anything else. Throws JournalRefused. */
  open(): this {
    this.#database = this.source.open();
    return this;
  }

  /** Leaves its files as they are where the disk does not even let it be closed. */
  close(): void {
    if (this.#database.isOpen && this.source.close(this.#database)) this.#statements.clear();
  }

  /** Begins anew on the same file, after the disk has failed us. Throws JournalRefused. */
  reopen(): void {
    this.close();
    if (this.#database.isOpen) return;
    this.#database = this.source.reopen();
  }

  /** Throws JournalUnavailable, or what `body` throws. */
  transact<T>(body: () => T): T {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const result = body();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollback();
      if (isDatabaseError(error)) throw new JournalUnavailable(error.message);
      throw error;
    }
  }

  /** `array`: of a job of an array, whose first job has the key and gives it its id. */
  insertJob(
    spec: FullSpec,
    uid: number,
    atMs: number,
    array?: Omit<ArrayMember, "id"> & { readonly id?: number },
  ): { id: number; event: EventRecord } {
    const isFirst = array?.id === undefined;
    const { lastInsertRowid } = this.#run(
      `INSERT INTO jobs (key, name, uid, spec, state, submitted_at, held,
         array_id, array_index, array_size) VALUES (?, ?, ?, ?, 'QUEUED', ?, ?, ?, ?, ?)`,
      (isFirst ? spec.key : undefined) ?? null,
      spec.name ?? null,
      uid,
      JSON.stringify(spec),
      atMs,
      spec.hold ? 1 : 0,
      array?.id ?? null,
      array?.index ?? null,
      array?.size ?? null,
    );
    const id = Number(lastInsertRowid);
    if (array && isFirst) this.#run("UPDATE jobs SET array_id = id WHERE id = ?", id);
    return { id, event: this.#event(id, "QUEUED", atMs) };
  }

  /** Writes one change, of which `job` is the result. */
  record(job: Job, change: Change, atMs: number): EventRecord {
    switch (change.kind) {
      case "starting":
        return this.#recordStarting(job, change, atMs);
      case "fenced":
        this.#run("UPDATE jobs SET state = 'QUEUED' WHERE id = ?", job.id);
        this.#run("DELETE FROM resource_allocations WHERE job_id = ? AND released = 0", job.id);
        return this.#event(job.id, "QUEUED", atMs, { message: "start withdrawn before it ran" });
      case "held":
      case "released":
        this.#run("UPDATE jobs SET held = ? WHERE id = ?", change.kind === "held" ? 1 : 0, job.id);
        return this.#event(job.id, "QUEUED", atMs, { message: change.kind });
      case "running":
        return this.#recordRunning(job, change, atMs);
      case "stopping": {
        const { kind, sinceBootMs } = change.stopping;
        this.#run(
          "UPDATE jobs SET stopping = ?, stopping_boot_ms = ? WHERE id = ?",
          kind,
          Math.round(sinceBootMs),
          job.id,
        );
        return this.#event(job.id, job.state, atMs, { stopping: kind });
      }
      case "ended":
        return this.#recordEnd(job as EndedJob, atMs);
    }
  }

  #recordStarting(job: Job, { attempt }: Change & { kind: "starting" }, atMs: number) {
    this.#run(
      "UPDATE jobs SET state = 'STARTING', attempts = ? WHERE id = ?",
      attempt.number,
      job.id,
    );
    this.#run(
      `INSERT INTO resource_allocations
        (job_id, allocated_cpus, allocated_memory, node_name, boot_id, pid_namespace, token,
         cgroup, cpu_set)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      job.id,
      job.demand.cpus,
      job.demand.memory,
      this.nodeName,
      attempt.ground.bootId,
      attempt.ground.pidNamespace,
      attempt.token,
      attempt.cgroup ?? null,
      attempt.cpuSet ? JSON.stringify(attempt.cpuSet) : null,
    );
    return this.#event(job.id, "STARTING", atMs);
  }

  #recordRunning(job: Job, change: Change & { kind: "running" }, atMs: number) {
    const { shim, leader, startedAtMs, adopted } = change;
    this.#run(
      "UPDATE jobs SET state = 'RUNNING', started_at = MAX(submitted_at, ?), adopted = ? WHERE id = ?",
      Math.round(startedAtMs),
      adopted ? 1 : 0,
      job.id,
    );
    this.#run(
      `UPDATE resource_allocations SET process_id = ?, process_start_ticks = ?,
        shim_process_id = ?, shim_start_ticks = ? WHERE job_id = ?`,
      leader.pid,
      leader.startTicks,
      shim?.pid ?? null,
      shim?.startTicks ?? null,
      job.id,
    );
    return this.#event(job.id, "RUNNING", atMs, adopted ? { message: "adopted" } : {});
  }

  #recordEnd({ id, end }: EndedJob, atMs: number) {
    this.#run(
      `UPDATE jobs SET state = ?, stopping = NULL, reason = ?, message = ?, exit_code = ?,
        user_time_ms = ?, system_time_ms = ?, max_memory = ?, read_bytes = ?, written_bytes = ?,
        started_at = COALESCE(started_at, ?),
        ended_at = MAX(COALESCE(started_at, submitted_at), ?) WHERE id = ? AND ${LIVE}`,
      end.state,
      end.reason,
      end.message ?? null,
      end.exit ? formatExit(end.exit) : null,
      end.usage?.userTimeMs ?? null,
      end.usage?.systemTimeMs ?? null,
      end.usage?.maxMemory ?? null,
      end.usage?.readBytes ?? null,
      end.usage?.writtenBytes ?? null,
      end.startedAtMs === undefined ? null : Math.round(end.startedAtMs),
      Math.round(end.endedAtMs),
      id,
    );
    this.#run(
      "UPDATE resource_allocations SET released = 1, released_time = ? WHERE job_id = ? AND released = 0",
      atMs,
      id,
    );
    return this.#event(id, end.state, atMs, end);
  }

  /** Every job that has not ended, in id order. `queued`: of those that wait only these. */
  liveJobs(queued?: readonly number[]): LiveJob[] {
    return this.#all(
      `SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE ${LIVE} AND (?1 IS NULL OR state <> 'QUEUED'
         OR jobs.id IN (SELECT value FROM json_each(?1))) ORDER BY jobs.id`,
      queued ? JSON.stringify(queued) : null,
    ).map(liveJob);
  }

  endedIds(): number[] {
    return this.#all("SELECT id FROM jobs WHERE ended_at IS NOT NULL").map((row) => row.id);
  }

  job(id: number): JobRecord | undefined {
    const row = this.#get(`SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE jobs.id = ?`, id);
    return row && jobRecord(row);
  }

  /** Undefined for an unknown job. */
  stateOf(id: number): State | undefined {
    return this.#get("SELECT state FROM jobs WHERE id = ?", id)?.state;
  }

  jobByKey(key: string): JobRecord | undefined {
    const row = this.#get(`SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE key = ?`, key);
    return row && jobRecord(row);
  }

  list({ states, name, after, limit, array }: ListQuery): JobRecord[] {
    return this.#all(
      `SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES}
       WHERE jobs.id > ?1 AND (?2 IS NULL OR name = ?2)
         AND (?3 IS NULL OR state IN (SELECT value FROM json_each(?3)))
         AND ${array === undefined ? "?5 IS NULL" : "array_id = ?5"}
       ORDER BY jobs.id LIMIT ?4`,
      after ?? 0,
      name ?? null,
      states ? JSON.stringify(states) : null,
      limit,
      array ?? null,
    ).map(jobRecord);
  }

  history(id: number): EventRecord[] {
    return this.#all("SELECT * FROM events WHERE job_id = ? ORDER BY sequence", id).map(
      eventRecord,
    );
  }

  /** At most `limit` events after `sequence`, of one job or of all. */
  eventsAfter(sequence: number, id: number | undefined, limit: number): EventRecord[] {
    return this.#all(
      `SELECT * FROM events WHERE sequence > ?1 AND (?2 IS NULL OR job_id = ?2)
       ORDER BY sequence LIMIT ?3`,
      sequence,
      id ?? null,
      limit,
    ).map(eventRecord);
  }

  lastSequence(): number {
    return this.#get("SELECT COALESCE(MAX(sequence), 0) AS last FROM events")!.last;
  }

  /** Ids of jobs that ended before a time, oldest first. */
  endedBefore(atMs: number, limit: number): number[] {
    return this.#all(
      "SELECT id FROM jobs WHERE ended_at < ? ORDER BY ended_at LIMIT ?",
      atMs,
      limit,
    )
      .map((row) => row.id);
  }

  removeJob(id: number): void {
    this.#run("DELETE FROM resource_allocations WHERE job_id = ?", id);
    this.#run("DELETE FROM events WHERE job_id = ?", id);
    this.#run("DELETE FROM jobs WHERE id = ?", id);
  }

  /** Releases what an ended job has held on to since before a time. Returns the jobs' ids. */
  releaseStale(endedBeforeMs: number, atMs: number): number[] {
    return this.#all(
      `UPDATE resource_allocations SET released = 1, released_time = ?1 WHERE released = 0
         AND job_id IN (SELECT id FROM jobs WHERE ended_at < ?2) RETURNING job_id`,
      atMs,
      endedBeforeMs,
    ).map((row) => row.job_id);
  }

  /**
   * Ids up to this one will not be given to new jobs; nor the `gap` ids above it, if it is news that
   * so many have been given.
   */
  reserveIds(last: number, gap: number): void {
    const row = this.#get("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'");
    if (row ? row.seq >= last : last === 0) return;
    const seq = last + gap;
    if (row) this.#run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", seq);
    else this.#run("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?)", seq);
  }

  pools(): PoolRecord[] {
    return this.#all("SELECT name, job_limit, paused FROM pools ORDER BY name").map((row) => ({
      name: row.name,
      limit: row.job_limit ?? undefined,
      paused: row.paused === 1,
    }));
  }

  setPool({ name, limit, paused }: PoolRecord): void {
    this.#run(
      "INSERT OR REPLACE INTO pools (name, job_limit, paused) VALUES (?, ?, ?)",
      name,
      limit ?? null,
      paused ? 1 : 0,
    );
  }

  removePool(name: string): void {
    this.#run("DELETE FROM pools WHERE name = ?", name);
  }

  setting(name: string): string | undefined {
    return this.#get("SELECT value FROM settings WHERE name = ?", name)?.value;
  }

  setSetting(name: string, value: string): void {
    this.#run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value);
  }

  #event(id: number, state: State, atMs: number, text: EventText = {}): EventRecord {
    const { stopping, reason, message } = text;
    const { lastInsertRowid } = this.#run(
      "INSERT INTO events (at, job_id, state, stopping, reason, message) VALUES (?, ?, ?, ?, ?, ?)",
      atMs,
      id,
      state,
      stopping ?? null,
      reason ?? null,
      message ?? null,
    );
    return { sequence: Number(lastInsertRowid), atMs, id, state, stopping, reason, message };
  }

  #rollback(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back, as it does after some errors (SQLITE_FULL, SQLITE_IOERR).
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }
}

function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}
