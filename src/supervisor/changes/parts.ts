/** What the changes that clients ask for are made with. */

import type { NodeLimits } from "../../job/node_limits.ts";
import type { Clock, Files } from "../../ports.ts";
import type { Journal } from "../../store/journal.ts";
import type { Amount } from "../lanes.ts";
import type { SteadyClock } from "../steady_clock.ts";
import type { Supervisor } from "../supervisor.ts";

export interface ChangeParts {
  readonly supervisor: Supervisor;
  readonly journal: Journal;
  readonly files: Files;
  readonly clock: Clock;
  readonly steady: SteadyClock;
  readonly capacity: Amount;
  readonly limits: NodeLimits;
  readonly maxQueued: number;
  /** The one user whose jobs can be run. */
  readonly user: string;
  readonly retentionMs: number;
  /** A change of so many jobs is journaled as one, and written in batches. */
  readonly large: number;
}
