/**
 * Copies of a journal. To open a journal is to write to it: what only looks, or tries, opens a copy that
 * lies elsewhere, with the write-ahead log and the mark of the original beside it.
 */

import type { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { JournalDiskFull, type JournalSource, openDatabase } from "./database.ts";
import { markPath, type OtherTraces, sizeOf } from "./inspect.ts";

/** Where the files of a journal are; each may be missing. */
export interface JournalFiles {
  readonly database: string;
  readonly log: string;
  readonly mark: string;
}

/** There is none for a copy. */
export class NoRoom extends Error {
  constructor(readonly directory: string, readonly journal: string) {
    super(`there is no room in ${directory} for a copy of the journal ${journal}`);
    this.name = "NoRoom";
  }
}

export function journalFiles(journal: string): JournalFiles {
  return { database: journal, log: `${journal}-wal`, mark: markPath(journal) };
}

/** Where the files of a journal are, of which a rebuild that died while it published may have moved some. */
export function filesBeforePublish(journal: string): JournalFiles {
  const files = journalFiles(journal);
  const logs = begunNames(journal).map((kept) => journalFiles(kept).log);
  return { ...files, log: logs.find((log) => sizeOf(log) !== undefined) ?? files.log };
}

/** Names under which the journal is kept that has not been replaced yet. */
export function begunNames(journal: string): string[] {
  const inode = sizeOf(journal) === undefined ? undefined : Deno.statSync(journal).ino;
  const at = journal.lastIndexOf("/");
  const [directory, begin] = [journal.slice(0, at), `${journal.slice(at + 1)}.damaged-`];
  return [...Deno.readDirSync(directory)]
    .filter(({ name }) => name.startsWith(begin) && !/-(wal|shm)$/.test(name))
    .map(({ name }) => `${directory}/${name}`)
    .filter((kept) => Deno.statSync(kept).ino === inode);
}

/** Makes nothing where there is no journal. Throws NoRoom, Error. */
export async function copyJournal(from: JournalFiles, copy: string): Promise<void> {
  const to = journalFiles(copy);
  for (const part of ["database", "log", "mark"] as const) {
    if (sizeOf(from[part]) === undefined) continue;
    try {
      await Deno.copyFile(from[part], to[part]);
    } catch (error) {
      throw isForWantOfRoom(error) ? new NoRoom(dirname(copy), from.database) : error;
    }
    // Who may only read a journal may do all with his copy.
    Deno.chmodSync(to[part], 0o600);
  }
}

/** The journal that a copy is opened as: caught up with its log and at the newest schema. */
export class JournalCopy implements JournalSource {
  /** `called`: the journal that it is the copy of. */
  constructor(
    private readonly copy: string,
    private readonly traces: OtherTraces,
    private readonly called: string,
  ) {}

  /** Throws JournalRefused as the journal itself would be, and NoRoom. */
  open(): DatabaseSync {
    try {
      return openDatabase(this.copy, this.traces, this.called);
    } catch (error) {
      if (!(error instanceof JournalDiskFull)) throw error;
      throw new NoRoom(dirname(this.copy), this.called);
    }
  }

  reopen(): DatabaseSync {
    throw new Error("a copy is read once");
  }

  close(database: DatabaseSync): boolean {
    database.close();
    return true;
  }
}

function isForWantOfRoom(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "");
}
