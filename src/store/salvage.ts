/**
 * Reads a damaged journal row by row: what can be read is returned, what cannot is told. It works on
 * a copy, since to open a database is to write to it.
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { isId } from "./columns.ts";
import type { Row } from "./records.ts";

export interface Salvage {
  readonly jobs: readonly Row[];
  readonly allocations: readonly Row[];
  readonly events: readonly Row[];
  readonly settings: readonly Row[];
  readonly pools: readonly Row[];
  readonly largeChanges: readonly Row[];
  /** The highest id that was ever given, and the last event; undefined where that cannot be read. */
  readonly lastId?: number;
  readonly lastSequence?: number;
  /** Ids at which there is something that cannot be read, and may be a job. */
  readonly unreadable: readonly number[];
  /** For people: what could not be read. */
  readonly losses: readonly string[];
}

export const NOTHING_SALVAGED: Salvage = {
  jobs: [],
  allocations: [],
  events: [],
  settings: [],
  pools: [],
  largeChanges: [],
  unreadable: [],
  losses: [],
};

/** Keys that are looked up one by one at most: some seconds. */
const MOST_LOOKUPS = 1_000_000;
const DISORDER = "keys that are not in their order";
/** Those that never give a key again: sqlite_sequence names them once a key was given. */
const KEYED = ["jobs", "events", "large_changes"];
const LEAST_KEY = -(2n ** 63n), GREATEST_KEY = 2n ** 63n - 1n;

export function salvage(copy: string): Salvage {
  const losses: string[] = [];
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(copy);
    // Without a file for shared memory, which a full disk would not let it have.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
  } catch (error) {
    return { ...NOTHING_SALVAGED, losses: [`no table: ${text(error)}`] };
  }
  try {
    const sequences = readTable(database, "sqlite_sequence", "rowid", losses).rows;
    const isWhole = losses.length === 0 && sequences.every(({ name }) => KEYED.includes(name));
    const lastOf = (table: string): number | undefined => {
      const found = sequences.filter(({ name }) => name === table);
      const last = found.length === 0 && isWhole ? 0 : found[0]?.seq;
      if (found.length < 2 && (last === 0 || isId(last))) return last;
      losses.push(`the highest key that was ever given in the table ${table}`);
      return undefined;
    };
    const read = (name: string, key: string, last?: number) =>
      readTable(database, name, key, losses, last);
    const lastId = lastOf("jobs");
    const lastSequence = lastOf("events");
    const jobs = read("jobs", "id", lastId);
    return {
      jobs: jobs.rows,
      allocations: read("resource_allocations", "job_id", lastId).rows,
      events: read("events", "sequence", lastSequence).rows,
      settings: readWhole(database, "settings", losses),
      // Journals of before had not all of them.
      pools: ifThere(database, "pools", losses),
      largeChanges: ifThere(database, "large_changes", losses),
      lastId,
      lastSequence,
      unreadable: jobs.unreadable,
      losses,
    };
  } finally {
    database.close();
  }
}

/**
 * From both ends up to what cannot be read, then key by key in between: a lookup passes by a damaged
 * page that it does not need. At last whatever stands in the table, since a key that is damaged stands
 * where no lookup finds it. `last`: the highest key there can be.
 */
function readTable(
  database: DatabaseSync,
  table: string,
  key: string,
  losses: string[],
  last = 0,
): { rows: Row[]; unreadable: number[] } {
  const rows = new Map<bigint, Row>();
  const select = `SELECT ${key === "rowid" ? "rowid, " : ""}* FROM ${table}`;
  const up = scan({ database, select, key, order: "ASC", last }, rows);
  const count = countOf(database, table);
  if (up.cause === undefined && count === rows.size) return { rows: inOrder(rows), unreadable: [] };
  const cause = up.cause ?? new Error(DISORDER);
  const down = scan({ database, select, key, order: "DESC", last }, rows);
  if (up.end === undefined && down.end === undefined && isUnknown(database, table)) {
    losses.push(`the table ${table}: ${text(cause)}`);
    const length = Math.min(last, MOST_LOOKUPS);
    return { rows: [], unreadable: Array.from({ length }, (_, i) => i + 1) };
  }
  const from = Math.max(0, Number(up.end ?? 0)) + 1;
  const to = Math.min(Number(down.end ?? last + 1), from + MOST_LOOKUPS);
  const unreadable = lookUp(database, `${select} WHERE ${key} = ?`, from, to, rows);
  for (const order of ["ASC", "DESC"]) {
    sweep(database, `${select} ORDER BY ${key} ${order}`, key, rows);
  }
  losses.push(`rows of the table ${table}: ${text(cause)}`);
  return { rows: inOrder(rows), unreadable };
}

interface Scan {
  readonly database: DatabaseSync;
  readonly select: string;
  readonly key: string;
  readonly order: "ASC" | "DESC";
  readonly last: number;
}

/**
 * Row by row: the runtime's iterator ends at an error as if it were the end. `end`: the key up to which
 * nothing is missing; one beyond the last that was given stands anywhere.
 */
function scan(
  { database, select, key, order, last }: Scan,
  rows: Map<bigint, Row>,
): { end?: bigint; cause?: unknown } {
  const isUp = order === "ASC";
  let end: bigint | undefined;
  try {
    const where = `WHERE ${key} ${isUp ? ">" : "<"} ? ORDER BY ${key} ${order} LIMIT 1`;
    const next = prepared(database, `${select} ${where}`);
    let from = isUp ? LEAST_KEY : GREATEST_KEY;
    for (let row: Row | undefined; (row = next.get(from));) {
      const at: bigint = row[key];
      if (isUp ? at <= from : at >= from) throw new Error(DISORDER);
      if (last === 0 || at <= last) end = at;
      rows.set(at, withNumbers(row));
      from = at;
    }
    return { end };
  } catch (cause) {
    return { end, cause };
  }
}

/** Returns the keys at which something is that cannot be read. */
function lookUp(
  database: DatabaseSync,
  select: string,
  from: number,
  to: number,
  rows: Map<bigint, Row>,
): number[] {
  const unreadable: number[] = [];
  const one = prepared(database, select);
  for (let at = from; at < to; at++) {
    try {
      const row = one.get(at) as Row | undefined;
      if (row) rows.set(BigInt(at), withNumbers(row));
    } catch {
      unreadable.push(at);
    }
  }
  return unreadable;
}

/** As far as it can be read without a break. */
function sweep(database: DatabaseSync, select: string, key: string, rows: Map<bigint, Row>): void {
  try {
    for (const row of prepared(database, select).iterate() as Iterable<Row>) {
      if (!rows.has(row[key])) rows.set(row[key], withNumbers(row));
    }
  } catch {
    // What it has read so far is there.
  }
}

/** Undefined where not all of the table can be read. */
function countOf(database: DatabaseSync, table: string): number | undefined {
  try {
    return Number(
      database.prepare(`SELECT COUNT(*) AS rows FROM ${table} NOT INDEXED`).get()!.rows,
    );
  } catch {
    return undefined;
  }
}

function inOrder(rows: ReadonlyMap<bigint, Row>): Row[] {
  return [...rows].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, row]) => row);
}

/** One that reads numbers of any size: the runtime refuses a whole row for one that is too large for it. */
function prepared(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

/** What is no number of ours stays as it is. */
function withNumbers(row: Row): Row {
  const plain = (value: unknown) =>
    typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
}

/** Whether not even the schema tells of it. */
function isUnknown(database: DatabaseSync, table: string): boolean {
  try {
    database.prepare(`SELECT 1 FROM ${table}`);
    return false;
  } catch {
    return true;
  }
}

function ifThere(database: DatabaseSync, table: string, losses: string[]): Row[] {
  return isUnknown(database, table) ? [] : readWhole(database, table, losses);
}

/** A small table, all of it or nothing. */
function readWhole(database: DatabaseSync, table: string, losses: string[]): Row[] {
  try {
    return (prepared(database, `SELECT * FROM ${table}`).all() as Row[]).map(withNumbers);
  } catch (error) {
    losses.push(`rows of the table ${table}: ${text(error)}`);
    return [];
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
