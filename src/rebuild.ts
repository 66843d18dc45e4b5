/** The composition of `holdfast rebuild`: a new journal out of a damaged one, runs/ and exits/. */

import { places, refuseForeignState } from "./directories.ts";
import { takeLock } from "./host/lock.ts";
import { RunFiles } from "./host/run_files.ts";
import { partsOf } from "./rebuild_plan.ts";
import type { Rebuild } from "./recover/foresee.ts";
import { tracesOf } from "./recover/older_journal.ts";
import { rebuild } from "./recover/rebuild.ts";
import { type Flags, readConfig } from "./settings.ts";

/** `force`: a sound journal too. Throws Locked, JournalRefused, NoRoom, ConfigError. */
export async function rebuildJournal(flags: Flags, force: boolean): Promise<Rebuild> {
  const config = readConfig(flags);
  const { state } = places(config);
  refuseForeignState(state);
  takeLock(`${state}/lock`);
  const files = new RunFiles(state);
  const isWanted = ({ trouble }: Rebuild) => trouble !== undefined || force;
  const parts = { ...partsOf(config, state, files), state };
  return await rebuild(parts, tracesOf(files), isWanted);
}
