/**
 * Opens the journal's database: exclusive, durable, checked, at the newest schema. SQLite before
 * 3.51.3 can lose a commit when two connections reset one WAL, so there is one connection, and the
 * exclusive lock keeps every other away. What is refused is left on disk as it was found.
 */

import { DatabaseSync } from "node:sqlite";
import {
  damaged,
  inspect,
  markOpen,
  newer,
  type OtherTraces,
  sizeOf,
  type Trouble,
  unmarkOpen,
} from "./inspect.ts";
import { MIGRATIONS } from "./schema.ts";

/** The journal must not be used as it is, or cannot be. */
export class JournalRefused extends Error {
  constructor(path: string, readonly what: string, next: string) {
    super(`the journal ${path} ${what}; ${next}`);
    this.name = "JournalRefused";
  }
}

/** Nothing is wrong with it, but its disk has no room. */
export class JournalDiskFull extends JournalRefused {
  override name = "JournalDiskFull";
}

/** The journal is not whole: `holdfast rebuild` makes one of what is left. */
export class JournalDamaged extends JournalRefused {
  constructor(path: string, what: string) {
    super(path, what, SALVAGE(path.replace(/\/[^/]*$/, "")));
    this.name = "JournalDamaged";
  }
}

const SALVAGE = (directory: string) =>
  "nothing was changed. Restore the whole state directory from a backup, or make a new journal of " +
  `what can still be read and of runs/ and exits/: holdfast rebuild --state-dir ${directory} ` +
  "(--dry-run tells what that would save)";

/**
 * Refused databases. Closing one would write its log into it and remove the log, so none is closed;
 * they end with the process, which can do nothing without its journal.
 */
const refused: DatabaseSync[] = [];

/** Where a journal's database comes from. */
export interface JournalSource {
  /** Throws JournalRefused. */
  open(): DatabaseSync;
  /** Begins anew after the disk has failed us. Throws JournalRefused. */
  reopen(): DatabaseSync;
  /** False where the disk does not even let it be closed; then all stays as it is. */
  close(database: DatabaseSync): boolean;
}

/** A file, with a mark beside it while it is open. */
export class JournalFile implements JournalSource {
  /** `traces`: what tells of earlier jobs, so that no empty journal is begun. */
  constructor(private readonly path: string, private readonly traces?: OtherTraces) {}

  open(): DatabaseSync {
    return this.#marked(openDatabase(this.path, this.traces));
  }

  reopen(): DatabaseSync {
    return this.#marked(reopenDatabase(this.path));
  }

  close(database: DatabaseSync): boolean {
    if (!unmarkOpen(this.path)) return false;
    database.close();
    return true;
  }

  #marked(database: DatabaseSync): DatabaseSync {
    markOpen(this.path);
    return database;
  }
}

/**
 * `traces`: that there have been jobs, so that none is begun silently. `called`: the journal that it is
 * the copy of. Throws JournalRefused.
 */
export function openDatabase(path: string, traces: OtherTraces, called = path): DatabaseSync {
  const hadLog = sizeOf(`${path}-wal`) !== undefined;
  refuseIf(called, inspect(path, traces, called));
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    refuseIf(called, check(database, traces));
    prepare(database);
    return database;
  } catch (error) {
    if (database) refused.push(database);
    if (!hadLog && sizeOf(`${path}-wal`) === 0) Deno.removeSync(`${path}-wal`);
    throw error instanceof JournalRefused ? error : refusalOf(path, error as Error, called);
  }
}

/** Opens it again after the disk has failed us. It must be there, and has been checked at the start. */
function reopenDatabase(path: string): DatabaseSync {
  refuseIf(path, sizeOf(path) ? undefined : damaged("is gone"));
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw refusalOf(path, error as Error);
  }
}

function prepare(database: DatabaseSync): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -2000;
    BEGIN IMMEDIATE`);
  const found = versionOf(database);
  for (const step of MIGRATIONS.slice(found)) database.exec(step);
  if (found < MIGRATIONS.length) database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  database.exec("COMMIT");
}

function check(database: DatabaseSync, traces: OtherTraces): Trouble | undefined {
  const found = versionOf(database);
  if (found > MIGRATIONS.length) return newer(found);
  if (found === 0 && traces) return damaged(`is empty, although there are traces of ${traces}`);
  const result = database.prepare("PRAGMA quick_check(1)").get()!;
  const verdict = String(Object.values(result)[0]);
  return verdict === "ok" ? undefined : damaged(`is damaged (${verdict})`);
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()!.user_version);
}

function refuseIf(path: string, trouble: Trouble | undefined): void {
  if (!trouble) return;
  if (trouble.kind !== "newer") throw new JournalDamaged(path, trouble.what);
  throw new JournalRefused(path, trouble.what, "start the newer holdfast that wrote it");
}

const ROOM = "make room on its disk, then start again; what is journaled is safe";
const WRITABLE = "make the file and its directory writable for the supervisor's user";
const NEXT: readonly (readonly [RegExp, string])[] = [
  [/readonly|unable to open/, WRITABLE],
  [/locked/, "another program has it open: end that one first"],
  [/disk I\/O/, "its disk fails: look at the kernel's log, and copy the directory to another disk"],
];

function refusalOf(path: string, { message }: Error, called = path): JournalRefused {
  const denied = cannotWrite(path);
  if (denied) return new JournalRefused(called, `cannot be written: ${denied}`, WRITABLE);
  const unusable = `cannot be used: ${message}`;
  if (/full/.test(message)) return new JournalDiskFull(called, unusable, ROOM);
  const next = NEXT.find(([pattern]) => pattern.test(message))?.[1];
  if (next) return new JournalRefused(called, unusable, next);
  return new JournalDamaged(called, `is damaged: ${message}`);
}

function cannotWrite(path: string): string | undefined {
  if (!sizeOf(path)) return undefined;
  try {
    Deno.openSync(path, { write: true }).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
