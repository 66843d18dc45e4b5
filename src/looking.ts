/**
 * The one way in for verbs that only look at the state directory of a stopped supervisor. Not a byte of
 * it changes: the journal is read from a copy elsewhere, which is caught up and migrated in its place,
 * and whether a supervisor is there is asked without taking its lock. So it works where the directory
 * cannot be written too. What looks gets nothing from here that could write.
 */

import { statSync } from "node:fs";
import type { Config } from "./config.ts";
import { places, refuseForeignState } from "./directories.ts";
import { refuseHeld } from "./host/lock_holder.ts";
import { RunFiles } from "./host/run_files.ts";
import { inTemporary, NoTemporary } from "./host/temporary.ts";
import type { RunRecords } from "./ports.ts";
import { tracesOf } from "./recover/older_journal.ts";
import type { OtherTraces } from "./store/inspect.ts";
import { copyJournal, type JournalFiles, NoRoom } from "./store/journal_copy.ts";
import { type Flags, readConfig } from "./settings.ts";

export interface Place {
  readonly config: Config;
  readonly state: string;
  readonly files: RunRecords;
  /** Beside the journal. */
  readonly traces: OtherTraces;
}

/** A copy that may be read, changed and copied again; it is gone when it has been read. */
export interface CopiedJournal {
  readonly copy: string;
  /** For people. */
  readonly called: string;
}

export interface Looking<Read, Seen> {
  /** Where the files of the journal are. */
  readonly filesOf: (journal: string) => JournalFiles;
  readonly read: (journal: CopiedJournal, place: Place) => Promise<Read> | Read;
  /** What is said of it, and of what else there is to see. */
  readonly judge: (read: Read, place: Place) => Seen;
}

/** A supervisor can have come and gone while it was looked at. */
const MOST_LOOKS = 5;

/** Throws Locked, JournalRefused, ConfigError, NoTemporary, or what it is to do throws. */
export async function look<Read, Seen>(
  flags: Flags,
  { filesOf, read, judge }: Looking<Read, Seen>,
): Promise<Seen> {
  const config = readConfig(flags);
  const { state } = places(config);
  refuseForeignState(state);
  const [journal, lock] = [`${state}/journal.db`, `${state}/lock`];
  const files = new RunFiles(state);
  const once = async () => {
    const place = { config, state, files, traces: tracesOf(files) };
    const found = await inTemporary(state, async (directory, base) => {
      const copy = `${directory}/journal.db`;
      try {
        await copyJournal(filesOf(journal), copy);
        return await read({ copy, called: journal }, place);
      } catch (error) {
        throw error instanceof NoRoom ? noRoomIn(base, journal) : error;
      }
    });
    return judge(found, place);
  };
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    refuseHeld(lock);
    const before = stampOf(filesOf(journal));
    const [seen] = await Promise.allSettled([once()]);
    // What was seen while a supervisor started is of no use, and neither is what could not be.
    refuseHeld(lock);
    if (stampOf(filesOf(journal)) !== before) continue;
    if (seen.status === "rejected") throw seen.reason;
    return seen.value;
  }
  throw new Error(`the journal ${journal} changes while it is looked at; try again`);
}

function noRoomIn(base: string, journal: string): NoTemporary {
  return new NoTemporary(base, `has no room for a copy of the journal ${journal}`);
}

/** Changes with every change of the files. */
function stampOf(files: JournalFiles): string {
  return Object.values(files).map((path: string) => {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found ? `${found.ino} ${found.size} ${found.mtimeNs}` : "none";
  }).join();
}
