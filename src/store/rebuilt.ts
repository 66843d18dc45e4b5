/**
 * The files of a rebuild: the new journal under a name of its own, and its change for the old one,
 * which is kept beside.
 *
 * Contract: at whatever point we die, the old journal is complete under one of its names, a start
 * either finds a whole journal or refuses, and the same rebuild can be done again.
 */

import type { SQLInputValue } from "node:sqlite";
import { openDatabase } from "./database.ts";
import { markOpen, sizeOf, unmarkOpen } from "./inspect.ts";
import { begunNames } from "./journal_copy.ts";
import type { Row } from "./records.ts";

export interface Content {
  readonly jobs: readonly Row[];
  readonly allocations: readonly Row[];
  readonly events: readonly Row[];
  readonly settings: readonly Row[];
  readonly pools: readonly Row[];
  readonly largeChanges: readonly Row[];
  /** Ids and sequence numbers up to these are not given again. */
  readonly lastId: number;
  readonly lastSequence: number;
}

const SCRATCH = "rebuild.scratch";

/** A directory for copies and the new journal, on the same disk. */
export class Scratch implements Disposable {
  private constructor(readonly path: string) {}

  /** What an earlier rebuild has left in it is removed. */
  static make(stateDirectory: string): Scratch {
    const scratch = new Scratch(`${stateDirectory}/${SCRATCH}`);
    scratch[Symbol.dispose]();
    Deno.mkdirSync(scratch.path, { mode: 0o700 });
    return scratch;
  }

  [Symbol.dispose](): void {
    if (sizeOf(this.path) !== undefined) Deno.removeSync(this.path, { recursive: true });
  }
}

/** Writes a journal that is whole and on disk when this returns. Throws JournalRefused, Error. */
export function writeJournal(path: string, content: Content): void {
  const database = openDatabase(path, undefined);
  const insert = (table: string, rows: readonly Row[]) => {
    const known: Row[] = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
    const columns: string[] = known.map(({ name }) => String(name));
    for (const row of rows) {
      const given = columns.filter((name) => row[name] !== undefined);
      const places = given.map(() => "?").join(", ");
      database.prepare(`INSERT INTO ${table} (${given.join(", ")}) VALUES (${places})`)
        .run(...given.map((name) => row[name] as SQLInputValue));
    }
  };
  const reserve = (table: string, last: number) => {
    database.prepare("DELETE FROM sqlite_sequence WHERE name = ?").run(table);
    database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)").run(table, last);
  };
  database.exec("BEGIN IMMEDIATE");
  insert("jobs", content.jobs);
  insert("resource_allocations", content.allocations);
  insert("events", content.events);
  insert("settings", content.settings);
  insert("pools", content.pools);
  insert("large_changes", content.largeChanges);
  reserve("jobs", content.lastId);
  reserve("events", content.lastSequence);
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  sync(path);
}

/** Puts a new journal in the place of the old one. Returns where the old one is kept, if there was one. */
export function publish(written: string, journal: string, stamp: string): string | undefined {
  const kept = `${journal}.damaged-${stamp}`;
  const isThere = sizeOf(journal) !== undefined;
  // From here to the end a start refuses: the mark says open, and there is no log.
  markOpen(journal);
  if (isThere) Deno.linkSync(journal, kept);
  for (const end of ["-wal", "-shm"]) {
    if (sizeOf(journal + end) !== undefined) Deno.renameSync(journal + end, kept + end);
  }
  syncDirectoryOf(journal);
  Deno.renameSync(written, journal);
  syncDirectoryOf(journal);
  unmarkOpen(journal);
  return isThere ? kept : undefined;
}

/** Takes back what a rebuild that died while it published has begun: the log returns to its journal. */
export function unpublish(journal: string): void {
  for (const kept of begunNames(journal)) {
    for (const end of ["-wal", "-shm"]) {
      if (sizeOf(kept + end) !== undefined) Deno.renameSync(kept + end, journal + end);
    }
    Deno.removeSync(kept);
  }
}

function sync(path: string): void {
  using file = Deno.openSync(path);
  file.syncSync();
}

function syncDirectoryOf(path: string): void {
  sync(path.slice(0, path.lastIndexOf("/")));
}
