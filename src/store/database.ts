/**
 * Opens the journal's database: exclusive, durable, checked, at the newest schema. SQLite before
 * 3.51.3 can lose a commit when two connections reset one WAL, so there is one connection, and the
 * exclusive lock keeps every other away.
 */

import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./schema.ts";

/** The journal exists and must not be used as it is. */
export class JournalRefused extends Error {
  constructor(path: string, what: string, next: string) {
    super(`the journal ${path} ${what}; ${next}`);
    this.name = "JournalRefused";
  }
}

/** Throws JournalRefused. */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA cache_size = -8000;
    `);
    migrate(database, path);
    check(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof JournalRefused) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new JournalRefused(path, `cannot be opened: ${cause}`, SALVAGE);
  }
}

const SALVAGE =
  "nothing was changed. Restore the state directory from a backup, or move the file " +
  "away to begin an empty journal (logs in runs/ and exit records in exits/ stay where they are)";

function migrate(database: DatabaseSync, path: string): void {
  const found = Number(database.prepare("PRAGMA user_version").get()!.user_version);
  if (found > MIGRATIONS.length) {
    throw new JournalRefused(
      path,
      `has schema ${found}, and this version of holdfast knows up to ${MIGRATIONS.length}`,
      "start the newer holdfast that wrote it",
    );
  }
  if (found === MIGRATIONS.length) return;
  database.exec("BEGIN IMMEDIATE");
  for (const step of MIGRATIONS.slice(found)) database.exec(step);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
}

function check(database: DatabaseSync, path: string): void {
  const result = database.prepare("PRAGMA quick_check(1)").get()!;
  const verdict = String(Object.values(result)[0]);
  if (verdict !== "ok") throw new JournalRefused(path, `is damaged (${verdict})`, SALVAGE);
}
