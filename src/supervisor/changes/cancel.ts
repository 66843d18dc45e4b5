/** Cancel: asks jobs to end. Those that have ended are left as they are. */

import type { Decide } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";
import { change, type Changed, type Named } from "./several.ts";

export function cancel(parts: ChangeParts, named: Named): Decide<Changed> {
  const { supervisor } = parts;
  return change(parts, named, {
    against: () => undefined,
    toOne: (job) => void supervisor.stop(job, "cancel"),
    toMany: (jobs) => supervisor.largeChanges.begin("cancel", jobs),
  });
}
