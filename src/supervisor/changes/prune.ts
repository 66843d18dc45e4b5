/** Prune: forgets jobs that have ended long enough ago, and removes their files. */

import { type Decide, UNFINISHED } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";

const A_LOOK = 100;

/** Of jobs that ended longer ago than `olderThanMs`. Returns how many were removed. */
export function prune(
  { supervisor, journal, files, steady, retentionMs }: ChangeParts,
  olderThanMs = retentionMs,
): Decide<number> {
  let removed = 0;
  return (mayGoOn) => {
    let count = 0;
    for (const id of journal.endedIn(steady.olderThan(olderThanMs), A_LOOK)) {
      // The files first: a job whose files are gone is pruned again, files without a job never.
      files.removeRun(id);
      journal.removeJob(id);
      count++;
      if (!mayGoOn()) break;
    }
    supervisor.onCommit(() => removed += count);
    return count === 0 ? removed : UNFINISHED;
  };
}

/** How many are kept only since it is in doubt whether so much time has passed (steady_time.ts). */
export function keptInDoubt(
  { journal, steady, retentionMs }: Pick<ChangeParts, "journal" | "steady" | "retentionMs">,
  olderThanMs = retentionMs,
): number {
  const older = (isBelieved: boolean) =>
    journal.countEndedIn(steady.olderThan(olderThanMs, isBelieved));
  return steady.isInDoubt ? older(true) - older(false) : 0;
}
