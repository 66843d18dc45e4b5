/**
 * What can be read of the journal. Readers see what is committed, and of a large change all of it from
 * its commit on, however many of its rows have been written.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { type LiveJob, notCompleted, type QueuedJob, type State } from "../job/job.ts";
import { type ArrayMember, nameOf } from "../job/job_array.ts";
import { idsIn, isIn, type LargeChange } from "../job/large_change.ts";
import type { JournalSource } from "./database.ts";
import { Demands } from "./demands.ts";
import {
  type EventRecord,
  eventRecord,
  JOB_COLUMNS,
  JOB_TABLES,
  type JobRecord,
  jobRecord,
  parsed,
  queuedJobs,
  queuedPage,
  type Row,
  startedJob,
  submitted,
  SUBMITTED_COLUMNS,
} from "./records.ts";
import { overlaid, overlaidState } from "./overlay.ts";

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

/** From the first up to, and without, the second, ms. */
export type Span = readonly [fromMs: number, toMs: number];

const ENDED_IN = `ended_at IS NOT NULL
  AND ended_at - ended_ahead >= ?1 AND ended_at - ended_ahead < ?2`;
export const LIVE = "state IN ('QUEUED', 'STARTING', 'RUNNING')";
const STARTED = "state IN ('STARTING', 'RUNNING')";
type Place = Pick<ArrayMember, "id" | "index">;

/** bytes of the specs of one page, of which each job has at least one. */
const PAGE_BYTES = 1 << 20;
/** Queued jobs that are read at once. */
const QUEUED_PAGE = 2000;

export class JournalReads {
  protected database!: DatabaseSync;
  /** Of the jobs that it has told, and of new ones. */
  readonly demands = new Demands();
  #statements = new Map<string, StatementSync>();
  #largeChanges: LargeChange[] = [];

  constructor(protected readonly source: JournalSource) {}

  /** Before anything else. Throws JournalRefused. */
  open(): this {
    this.database = this.source.open();
    this.loadLargeChanges();
    return this;
  }

  /** Those of which rows are to be written, in their order. */
  get largeChanges(): readonly LargeChange[] {
    return this.#largeChanges;
  }

  /** Takes memory back to what is committed. */
  loadLargeChanges(): void {
    this.#largeChanges = this.all("SELECT * FROM large_changes ORDER BY sequence").map((row) => {
      const ranges = JSON.parse(row.ids);
      const skipped = new Set<number>(JSON.parse(row.skipped));
      const isLeft = (id: number) => id > row.done_until && !skipped.has(id);
      const left = new Set([...idsIn(ranges)].filter(isLeft));
      return { sequence: row.sequence, kind: row.kind, atMs: row.at, ranges, left };
    });
  }

  /** Every job that has not ended, in id order, as its row says. `queued`: of those that wait only these. */
  liveJobs(queued?: readonly number[]): LiveJob[] {
    const started: LiveJob[] = this.all(
      `SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE ${STARTED} ORDER BY jobs.id`,
    ).map((row) => startedJob(row, this.demands));
    return started.concat(this.#queuedJobs(queued)).sort((a, b) => a.id - b.id);
  }

  /** A page at a time: a queue is long, and only a little of each row is kept. */
  #queuedJobs(only: readonly number[] | undefined): QueuedJob[] {
    const ids = only && JSON.stringify(only);
    const found: QueuedJob[] = [];
    for (let last = 0;;) {
      const page = this.#queuedPage(last, ids);
      if (page.length === 0) return found;
      last = page.at(-1)!.id;
      for (const job of page) if (!this.#isHidden(job.id)) found.push(job);
    }
  }

  #queuedPage(after: number, ids: string | undefined): QueuedJob[] {
    const isWanted = ids === undefined ? "true" : "id IN (SELECT value FROM json_each(?3))";
    try {
      const values = ids === undefined ? [] : [ids];
      const row = this.get(queuedPage(isWanted), after, QUEUED_PAGE, ...values);
      return queuedJobs(row!, this.demands);
    } catch (error) {
      // Which of them cannot be read, it does not say.
      for (const row of this.all("SELECT id, spec FROM jobs WHERE state = 'QUEUED'")) {
        parsed(row, "spec");
      }
      throw error;
    }
  }

  endedIds(): number[] {
    const sql = "SELECT json_group_array(id) AS ids FROM jobs WHERE ended_at IS NOT NULL";
    return JSON.parse(this.get(sql)!.ids);
  }

  job(id: number): JobRecord | undefined {
    return this.#seen(`SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE jobs.id = ?`, id);
  }

  /** What was submitted of a job that there is. */
  submissionOf(id: number): Pick<JobRecord, "spec" | "array"> {
    return submitted(this.get(`SELECT ${SUBMITTED_COLUMNS} FROM jobs WHERE id = ?`, id)!);
  }

  /** Undefined for an unknown job. */
  stateOf(id: number): State | undefined {
    const state: State | undefined = this.get("SELECT state FROM jobs WHERE id = ?", id)?.state;
    if (this.#largeChanges.length === 0 || state === undefined) return state;
    if (this.#isHidden(id)) return undefined;
    return this.#changesOf(id).reduce(overlaidState, state);
  }

  jobByKey(key: string): JobRecord | undefined {
    return this.#seen(`SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES} WHERE key = ?`, key);
  }

  /** Also by a job that nobody sees yet. */
  isKeyTaken(key: string): boolean {
    return this.get("SELECT 1 FROM jobs WHERE key = ?", key) !== undefined;
  }

  /**
   * A page of jobs in id order, and the id after which the next begins; undefined behind the last. A
   * page ends sooner where its specs are large.
   */
  list({ after = 0, limit, ...query }: ListQuery): { jobs: JobRecord[]; next?: number } {
    const jobs: JobRecord[] = [];
    let bytes = 0;
    for (let last = after;;) {
      const rows = this.#page({ ...query, after: last, limit: limit + 1 });
      for (const row of rows) {
        const job = this.#overlay(jobRecord(row));
        last = row.id;
        if (!job || (query.states && !query.states.includes(job.state))) continue;
        if (jobs.length === limit || bytes > PAGE_BYTES) return { jobs, next: jobs.at(-1)!.id };
        jobs.push(job);
        bytes += row.spec.length;
      }
      if (rows.length <= limit) return { jobs };
    }
  }

  #page({ states, name, after, limit, array }: ListQuery): Row[] {
    // What a large change makes of a row is known when it has been read.
    const mayBe = this.#largeChanges.length === 0 ? "" : `
      UNION SELECT jobs.id FROM large_changes, json_each(ids) AS range, jobs
        WHERE jobs.id BETWEEN range.value ->> 0 AND range.value ->> 1 AND jobs.id > ?1`;
    const ofStates = `jobs.id IN (SELECT id FROM jobs WHERE id > ?1
      AND state IN (SELECT value FROM json_each(?3))${mayBe})`;
    return this.all(
      `SELECT ${JOB_COLUMNS} FROM ${JOB_TABLES}
       WHERE jobs.id > ?1
         AND ${name === undefined ? "?2 IS NULL" : "name = ?2"}
         AND ${states ? ofStates : "?3 IS NULL"}
         AND ${array === undefined ? "?5 IS NULL" : "array_id = ?5"}
       ORDER BY jobs.id LIMIT ?4`,
      after ?? 0,
      name ?? null,
      states ? JSON.stringify(states) : null,
      limit,
      array ?? null,
    );
  }

  history(id: number): EventRecord[] {
    return this.all("SELECT * FROM events WHERE job_id = ? ORDER BY sequence", id).map(
      eventRecord,
    );
  }

  /** At most `limit` events after `sequence`, of one job or of all. */
  eventsAfter(sequence: number, id: number | undefined, limit: number): EventRecord[] {
    return this.all(
      `SELECT * FROM events WHERE sequence > ?1 AND ${
        id === undefined ? "?2 IS NULL" : "job_id = ?2"
      }
       ORDER BY sequence LIMIT ?3`,
      sequence,
      id ?? null,
      limit,
    ).map(eventRecord);
  }

  lastSequence(): number {
    return this.get("SELECT COALESCE(MAX(sequence), 0) AS last FROM events")!.last;
  }

  /** Ids of jobs that ended in one of these spans of the steady clock, oldest first. */
  endedIn(spans: readonly Span[], limit: number): number[] {
    const ids: number[] = [];
    for (const span of spans) {
      const rows = this.all(
        `SELECT id FROM jobs WHERE ${ENDED_IN} ORDER BY ended_at - ended_ahead LIMIT ?3`,
        ...span,
        limit - ids.length,
      );
      ids.push(...rows.map(({ id }) => id));
    }
    return ids;
  }

  countEndedIn(spans: readonly Span[]): number {
    const sql = `SELECT COUNT(*) AS jobs FROM jobs WHERE ${ENDED_IN}`;
    return spans.reduce((count, span) => count + this.get(sql, ...span)!.jobs, 0);
  }

  /** Ended jobs that still hold what they were given, and when they ended by the steady clock. */
  endedUnreleased(): { id: number; endedMs: number }[] {
    return this.all(
      `SELECT id, ended_at - ended_ahead AS endedMs FROM resource_allocations
         JOIN jobs ON id = job_id WHERE released = 0 AND ended_at IS NOT NULL`,
    ) as { id: number; endedMs: number }[];
  }

  pools(): PoolRecord[] {
    return this.all("SELECT name, job_limit, paused FROM pools ORDER BY name").map((row) => ({
      name: row.name,
      limit: row.job_limit ?? undefined,
      paused: row.paused === 1,
    }));
  }

  setting(name: string): string | undefined {
    return this.get("SELECT value FROM settings WHERE name = ?", name)?.value;
  }

  /** What a job's owner is told of one that it was to follow; undefined when all have completed. */
  whyNot(after: readonly number[]): string | undefined {
    const failed = after.find((id) => {
      const state = this.stateOf(id);
      return state === "FAILED" || state === "CANCELLED";
    });
    if (failed === undefined) return undefined;
    const place = this.get(
      'SELECT array_id AS id, array_index AS "index" FROM jobs WHERE id = ?',
      failed,
    )!;
    return notCompleted(nameOf(failed, place.id === null ? undefined : place as Place));
  }

  protected addLargeChange(change: LargeChange): void {
    this.#largeChanges.push(change);
  }

  protected dropLargeChange(change: LargeChange): void {
    this.#largeChanges = this.#largeChanges.filter((other) => other !== change);
  }

  #seen(sql: string, ...values: SQLInputValue[]): JobRecord | undefined {
    const row = this.get(sql, ...values);
    return row && this.#overlay(jobRecord(row));
  }

  /** As readers see it; undefined for what they do not see yet. */
  #overlay(job: JobRecord): JobRecord | undefined {
    if (this.#largeChanges.length === 0) return job;
    if (this.#isHidden(job.id)) return undefined;
    return this.#changesOf(job.id)
      .reduce((before, change) => overlaid(before, change, (after) => this.whyNot(after)), job);
  }

  /** Those whose rows for this job are still to be written. */
  #changesOf(id: number): LargeChange[] {
    return this.#largeChanges.filter(({ left }) => left.has(id));
  }

  #isHidden(id: number): boolean {
    return this.#largeChanges.some(({ kind, ranges }) => kind === "submit" && isIn(ranges, id));
  }

  protected forgetStatements(): void {
    this.#statements.clear();
  }

  protected run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values);
  }

  protected get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  protected all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.database.prepare(sql));
    return statement;
  }
}
