/**
 * Rebuilds a journal: reads what the old one still tells, has it decided what becomes of each job,
 * and puts a new journal in its place. The caller holds the lock.
 */

import type { OtherTraces } from "../store/inspect.ts";
import { copyJournal, journalFiles } from "../store/journal_copy.ts";
import { publish, Scratch, unpublish, writeJournal } from "../store/rebuilt.ts";
import { foresee, readOld, type Rebuild, type RebuildParts } from "./foresee.ts";

/**
 * `isWanted`: whether to put the new journal in the place of the old, by what it would be. Throws
 * JournalRefused for a journal of a newer version, NoRoom.
 */
export async function rebuild(
  parts: RebuildParts & { readonly state: string },
  traces: OtherTraces,
  isWanted: (found: Rebuild) => boolean,
): Promise<Rebuild> {
  const journal = `${parts.state}/journal.db`;
  unpublish(journal);
  using scratch = Scratch.make(parts.state);
  const copy = `${scratch.path}/read.db`;
  await copyJournal(journalFiles(journal), copy);
  const { found, content } = foresee(parts, await readOld(copy, traces, journal));
  if (!isWanted(found)) return found;
  const written = `${scratch.path}/journal.db`;
  writeJournal(written, content);
  const stamp = new Date(parts.atMs).toISOString().replace(/[-:]/g, "");
  return { ...found, kept: publish(written, journal, stamp) };
}
