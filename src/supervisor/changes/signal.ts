/** Signal: sends a signal to the process groups of jobs. It changes nothing in the journal. */

import { isStarted, type LiveJob } from "../../job/job.ts";
import type { Refusal } from "../../job/refusal.ts";
import type { Decide } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";
import { change, type Changed, type Named } from "./several.ts";

export function signal(parts: ChangeParts, named: Named, signal: number): Decide<Changed> {
  const { supervisor } = parts;
  const send = (job: LiveJob): Refusal | undefined => {
    const leader = isStarted(job) ? supervisor.leaderHandle(job.id) : undefined;
    if (leader?.signalGroup(signal)) return undefined;
    return { error: "NotRunning", id: job.id, state: job.state };
  };
  return change(parts, named, {
    against(job, { id, state }) {
      if (!job) return { error: "JobEnded", id, state };
      return isStarted(job) ? undefined : { error: "NotRunning", id, state };
    },
    toOne: send,
    toMany: (jobs) => jobs.forEach(send),
  });
}
