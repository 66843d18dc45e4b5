/**
 * The journal: every job, allocation and event, and the only way to change them. All that one turn
 * of the supervisor changes goes into one transaction.
 *
 * Contract: when `transact` has returned, everything in it is on disk; when it throws, or we die in
 * it, nothing of it is.
 */

import { formatExit } from "../job/exit_status.ts";
import type { Change, EndedJob, Job, Reason, State, Stop } from "../job/job.ts";
import type { ArrayMember } from "../job/job_array.ts";
import {
  idsIn,
  type LargeChange,
  type LargeChangeKind,
  type Range,
  rangesOf,
} from "../job/large_change.ts";
import type { FullSpec } from "../job/spec.ts";
import type { JournalSource } from "./database.ts";
import { JournalReads, LIVE, type PoolRecord } from "./journal_reads.ts";
import type { EventRecord } from "./records.ts";

/** The journal could not be written; nothing of the transaction has happened. */
export class JournalUnavailable extends Error {
  override name = "JournalUnavailable";
}

interface EventText {
  readonly stopping?: Stop;
  readonly reason?: Reason;
  readonly message?: string;
}

/** A job as it is submitted. */
export interface Submission {
  readonly spec: FullSpec;
  readonly uid: number;
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
  /** ms by which that is ahead of the steady clock; absent for none. */
  readonly aheadMs?: number;
}

export class Journal extends JournalReads {
  constructor(source: JournalSource, private readonly nodeName: string) {
    super(source);
  }

  /** Leaves its files as they are where the disk does not even let it be closed. */
  close(): void {
    if (this.database.isOpen && this.source.close(this.database)) this.forgetStatements();
  }

  /** Begins anew on the same file, after the disk has failed us. Throws JournalRefused. */
  reopen(): void {
    this.close();
    if (this.database.isOpen) return;
    this.database = this.source.reopen();
  }

  /** Throws JournalUnavailable, or what `body` throws. */
  transact<T>(body: () => T): T {
    try {
      this.database.exec("BEGIN IMMEDIATE");
      const result = body();
      this.database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollback();
      if (isDatabaseError(error)) throw new JournalUnavailable(error.message);
      throw error;
    }
  }

  insertJob({ spec, uid, atMs, aheadMs = 0 }: Submission): { id: number; event: EventRecord } {
    const { lastInsertRowid } = this.run(
      `INSERT INTO jobs (key, name, uid, spec, state, submitted_at, submitted_ahead, held)
         VALUES (?, ?, ?, ?, 'QUEUED', ?, ?, ?)`,
      spec.key ?? null,
      spec.name ?? null,
      uid,
      JSON.stringify(spec),
      atMs,
      aheadMs,
      spec.hold ? 1 : 0,
    );
    const id = Number(lastInsertRowid);
    return { id, event: this.announce(id, atMs) };
  }

  /** Ids for `count` jobs, which nobody else is given. Returns the first. */
  takeIds(count: number): number {
    const before = this.#lastId() ?? 0;
    this.#setLastId(before + count);
    return before + 1;
  }

  /** A job of an array, without its first event. `text`: its spec as JSON; the first job has the key. */
  insertMember(
    { spec, uid, atMs, aheadMs = 0 }: Submission,
    text: string,
    id: number,
    { id: array, index, size }: ArrayMember,
  ): void {
    this.run(
      `INSERT INTO jobs (id, key, name, uid, spec, state, submitted_at, submitted_ahead, held,
         array_id, array_index, array_size) VALUES (?, ?, ?, ?, ?, 'QUEUED', ?, ?, ?, ?, ?, ?)`,
      id,
      (id === array ? spec.key : undefined) ?? null,
      spec.name ?? null,
      uid,
      text,
      atMs,
      aheadMs,
      spec.hold ? 1 : 0,
      array,
      index,
      size,
    );
  }

  /** The first event of a job. */
  announce(id: number, atMs: number): EventRecord {
    return this.#event(id, "QUEUED", atMs);
  }

  /** Writes one change, of which `job` is the result. `steadyMs`: by the steady clock. */
  record(job: Job, change: Change, atMs: number, steadyMs = atMs): EventRecord {
    switch (change.kind) {
      case "starting":
        return this.#recordStarting(job, change, atMs);
      case "fenced":
        this.run("UPDATE jobs SET state = 'QUEUED' WHERE id = ?", job.id);
        this.run("DELETE FROM resource_allocations WHERE job_id = ? AND released = 0", job.id);
        return this.#event(job.id, "QUEUED", atMs, { message: "start withdrawn before it ran" });
      case "held":
      case "released":
        this.run("UPDATE jobs SET held = ? WHERE id = ?", change.kind === "held" ? 1 : 0, job.id);
        return this.#event(job.id, "QUEUED", atMs, { message: change.kind });
      case "running":
        return this.#recordRunning(job, change, atMs);
      case "stopping": {
        const { kind, sinceBootMs } = change.stopping;
        this.run(
          "UPDATE jobs SET stopping = ?, stopping_boot_ms = ? WHERE id = ?",
          kind,
          Math.round(sinceBootMs),
          job.id,
        );
        return this.#event(job.id, job.state, atMs, { stopping: kind });
      }
      case "ended":
        return this.#recordEnd(job as EndedJob, atMs, steadyMs);
    }
  }

  #recordStarting(job: Job, { attempt }: Change & { kind: "starting" }, atMs: number) {
    this.run(
      "UPDATE jobs SET state = 'STARTING', attempts = ? WHERE id = ?",
      attempt.number,
      job.id,
    );
    this.run(
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
    this.run(
      "UPDATE jobs SET state = 'RUNNING', started_at = MAX(submitted_at, ?), adopted = ? WHERE id = ?",
      Math.round(startedAtMs),
      adopted ? 1 : 0,
      job.id,
    );
    this.run(
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

  #recordEnd({ id, end }: EndedJob, atMs: number, steadyMs: number) {
    this.run(
      `UPDATE jobs SET state = ?, stopping = NULL, reason = ?, message = ?, exit_code = ?,
        user_time_ms = ?, system_time_ms = ?, max_memory = ?, read_bytes = ?, written_bytes = ?,
        elapsed_ms = ?, started_at = COALESCE(started_at, ?),
        ended_at = MAX(COALESCE(started_at, submitted_at), ?),
        ended_ahead = MAX(COALESCE(started_at, submitted_at), ?) - ? WHERE id = ? AND ${LIVE}`,
      end.state,
      end.reason,
      end.message ?? null,
      end.exit ? formatExit(end.exit) : null,
      end.usage?.userTimeMs ?? null,
      end.usage?.systemTimeMs ?? null,
      end.usage?.maxMemory ?? null,
      end.usage?.readBytes ?? null,
      end.usage?.writtenBytes ?? null,
      end.elapsedMs === undefined ? null : Math.round(end.elapsedMs),
      end.startedAtMs === undefined ? null : Math.round(end.startedAtMs),
      Math.round(end.endedAtMs),
      Math.round(end.endedAtMs),
      steadyMs,
      id,
    );
    this.run(
      "UPDATE resource_allocations SET released = 1, released_time = ? WHERE job_id = ? AND released = 0",
      atMs,
      id,
    );
    return this.#event(id, end.state, atMs, end);
  }

  removeJob(id: number): void {
    this.run("DELETE FROM resource_allocations WHERE job_id = ?", id);
    this.run("DELETE FROM events WHERE job_id = ?", id);
    this.run("DELETE FROM jobs WHERE id = ?", id);
  }

  /** What ended in times to come, as by a clock that was wrong, has ended at this time of the steady clock. */
  endBy(steadyMs: number): void {
    this.run(
      `UPDATE jobs SET ended_ahead = ended_at - ?1
         WHERE ended_at IS NOT NULL AND ended_at - ended_ahead > ?1`,
      steadyMs,
    );
  }

  /** Releases what an ended job still holds. */
  release(id: number, atMs: number): void {
    this.run(
      "UPDATE resource_allocations SET released = 1, released_time = ? WHERE job_id = ?",
      atMs,
      id,
    );
  }

  /**
   * Ids up to this one will not be given to new jobs; nor the `gap` ids above it, if it is news that
   * so many have been given.
   */
  reserveIds(last: number, gap: number): void {
    const given = this.#lastId();
    if (given === undefined ? last > 0 : given < last) this.#setLastId(last + gap);
  }

  /** Notes a change of these jobs, ascending; from the commit on it counts for every reader. */
  beginLargeChange(kind: LargeChangeKind, ids: readonly number[], atMs: number): LargeChange {
    const ranges: readonly Range[] = rangesOf(ids);
    const { lastInsertRowid } = this.run(
      "INSERT INTO large_changes (kind, at, ids, done_until, skipped) VALUES (?, ?, ?, 0, '[]')",
      kind,
      atMs,
      JSON.stringify(ranges),
    );
    const change = {
      sequence: Number(lastInsertRowid),
      kind,
      atMs,
      ranges,
      left: new Set(idsIn(ranges)),
    };
    this.addLargeChange(change);
    return change;
  }

  /** The rows of all its jobs up to `id` have been written, with what it changes. */
  noteWritten({ sequence, left }: LargeChange, id: number): void {
    for (const each of left) {
      if (each > id) break;
      left.delete(each);
    }
    this.run("UPDATE large_changes SET done_until = ? WHERE sequence = ?", id, sequence);
  }

  /** The rows of this one job have been written before its turn. */
  noteWrittenAlone({ sequence, left }: LargeChange, id: number): void {
    left.delete(id);
    this.run(
      "UPDATE large_changes SET skipped = json_insert(skipped, '$[#]', ?) WHERE sequence = ?",
      id,
      sequence,
    );
  }

  endLargeChange(change: LargeChange): void {
    this.run("DELETE FROM large_changes WHERE sequence = ?", change.sequence);
    this.dropLargeChange(change);
  }

  /** Takes back the rows of an array that nobody has seen. */
  removeUnseen(change: LargeChange): void {
    for (const [first, last] of change.ranges) {
      this.run("DELETE FROM jobs WHERE id BETWEEN ? AND ?", first, last);
    }
    this.endLargeChange(change);
  }

  #lastId(): number | undefined {
    return this.get("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")?.seq;
  }

  #setLastId(seq: number): void {
    const { changes } = this.run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", seq);
    if (changes === 0) this.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?)", seq);
  }

  setPool({ name, limit, paused }: PoolRecord): void {
    this.run(
      "INSERT OR REPLACE INTO pools (name, job_limit, paused) VALUES (?, ?, ?)",
      name,
      limit ?? null,
      paused ? 1 : 0,
    );
  }

  removePool(name: string): void {
    this.run("DELETE FROM pools WHERE name = ?", name);
  }

  setSetting(name: string, value: string): void {
    this.run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value);
  }

  #event(id: number, state: State, atMs: number, text: EventText = {}): EventRecord {
    const { stopping, reason, message } = text;
    const { lastInsertRowid } = this.run(
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
      this.database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back, as it does after some errors (SQLITE_FULL, SQLITE_IOERR).
    }
  }
}

function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}
