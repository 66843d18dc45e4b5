/** Signal: sends a signal to the process groups of jobs. It changes nothing in the journal. */

import { constants } from "node:os";
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

/** A signal by its number, or its name with or without SIG; undefined when there is none such. */
export function signalNumber(text: string): number | undefined {
  const signals = constants.signals as Record<string, number>;
  const upper = text.toUpperCase();
  const number = /^\d+$/.test(text)
    ? Number(text)
    : signals[upper.startsWith("SIG") ? upper : `SIG${upper}`];
  return number !== undefined && number >= 1 && number <= 64 ? number : undefined;
}
