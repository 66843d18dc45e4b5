/** Hold and Release: keep queued jobs from starting, and let them start. */

import type { Decide } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";
import { change, type Changed, type Named } from "./several.ts";

export function hold(parts: ChangeParts, named: Named): Decide<Changed> {
  return setHeld(parts, named, true);
}

export function release(parts: ChangeParts, named: Named): Decide<Changed> {
  return setHeld(parts, named, false);
}

function setHeld(parts: ChangeParts, named: Named, held: boolean): Decide<Changed> {
  const { roster, largeChanges } = parts.supervisor;
  return change(parts, named, {
    against: (job, { id, state }) =>
      job?.state === "QUEUED" ? undefined : { error: "NotQueued", id, state },
    toOne(job) {
      const isSo = job.state !== "QUEUED" || job.held === held;
      if (!isSo) roster.change(job, { kind: held ? "held" : "released" });
      return undefined;
    },
    toMany: (jobs) => largeChanges.begin(held ? "hold" : "release", jobs),
  });
}
