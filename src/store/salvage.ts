/**
 * Reads a damaged journal row by row: what can be read is returned, what cannot is told. It works on
 * a copy, since to open a database is to write to it.
 */

import { DatabaseSync } from "node:sqlite";
import type { Row } from "./records.ts";

export interface Salvage {
  readonly jobs: readonly Row[];
  readonly allocations: readonly Row[];
  readonly events: readonly Row[];
  readonly settings: readonly Row[];
  readonly pools: readonly Row[];
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
  unreadable: [],
  losses: [],
};

export function salvage(copy: string): Salvage {
  const losses: string[] = [];
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(copy);
  } catch (error) {
    return { ...NOTHING_SALVAGED, losses: [`no table: ${text(error)}`] };
  }
  try {
    const sequences = readTable(database, "sqlite_sequence", "rowid", losses).rows;
    const lastOf = (name: string) => sequences.find((row) => row.name === name)?.seq;
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
      // Journals of before had none.
      pools: isUnknown(database, "pools") ? [] : readWhole(database, "pools", losses),
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
 * page that it does not need. `last`: the highest key there can be.
 */
function readTable(
  database: DatabaseSync,
  table: string,
  key: string,
  losses: string[],
  last = 0,
): { rows: Row[]; unreadable: number[] } {
  const rows = new Map<number, Row>();
  const select = key === "rowid" ? "rowid, *" : "*";
  // Row by row: the runtime's iterator ends at an error as if it were the end.
  const scan = (order: "ASC" | "DESC"): { end: number | undefined; cause?: unknown } => {
    const beyond = order === "ASC" ? ">" : "<";
    let end: number | undefined;
    try {
      const next = database.prepare(
        `SELECT ${select} FROM ${table} WHERE ${key} ${beyond} ? ORDER BY ${key} ${order} LIMIT 1`,
      );
      let from = order === "ASC" ? -1 : Number.MAX_SAFE_INTEGER;
      for (let row: Row | undefined; (row = next.get(from)); from = end) {
        end = row[key] as number;
        rows.set(end, row);
      }
      return { end };
    } catch (cause) {
      return { end, cause };
    }
  };
  const up = scan("ASC");
  if (up.cause === undefined) return { rows: [...rows.values()], unreadable: [] };
  const down = scan("DESC");
  const unreadable: number[] = [];
  if (up.end === undefined && down.end === undefined && isUnknown(database, table)) {
    losses.push(`the table ${table}: ${text(up.cause)}`);
    return { rows: [], unreadable: Array.from({ length: last }, (_, i) => i + 1) };
  }
  const one = database.prepare(`SELECT ${select} FROM ${table} WHERE ${key} = ?`);
  for (let at = (up.end ?? 0) + 1; at < (down.end ?? last + 1); at++) {
    try {
      const row = one.get(at);
      if (row) rows.set(at, row as Row);
    } catch {
      unreadable.push(at);
    }
  }
  losses.push(`rows of the table ${table}: ${text(up.cause)}`);
  return { rows: [...rows.values()].sort((a, b) => a[key] - b[key]), unreadable };
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

/** A small table, all of it or nothing. */
function readWhole(database: DatabaseSync, table: string, losses: string[]): Row[] {
  try {
    return database.prepare(`SELECT * FROM ${table}`).all() as Row[];
  } catch (error) {
    losses.push(`rows of the table ${table}: ${text(error)}`);
    return [];
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
