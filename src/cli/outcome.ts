/** What has become of jobs, or of the jobs of arrays, by what was just asked. */

import type { Command } from "commander";
import { type Client, NoSupervisor } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { arrayText, countsText } from "./array_text.ts";
import { globals } from "./connection.ts";
import { AlreadyTold, EXIT, tell } from "./failure.ts";
import { stateText } from "./job_text.ts";
import { complain, print, printJson, ReaderGone, report } from "./output.ts";
import { jobsOf, type Target } from "./targets.ts";

/**
 * Tells of each of several in the order typed. What has failed for one is told too and keeps no other
 * from being told; the worst exit code is thrown at the end. Throws AlreadyTold.
 */
export async function tellEach<T>(
  answers: readonly Promise<T>[],
  tellOf: (answer: T) => Promise<void>,
): Promise<void> {
  let worst: number = EXIT.done;
  await Promise.allSettled(answers);
  for (const answer of answers) {
    try {
      await tellOf(await answer);
    } catch (error) {
      // There is no more to be told.
      if (error instanceof NoSupervisor || error instanceof ReaderGone) throw error;
      const { message, exitCode } = tell(error);
      complain(message);
      worst = Math.max(worst, exitCode);
    }
  }
  if (worst !== EXIT.done) throw new AlreadyTold(worst);
}

/**
 * Prints `12 RUNNING (cancel)`, or `12[1-100] 7 RUNNING (cancel) 93 CANCELLED`, or the reply. `note`:
 * what else is to be said of it.
 */
export async function reportOutcome(
  command: Command,
  client: Client,
  target: Target,
  reply: { job: Job },
  note?: string,
): Promise<void> {
  if (globals(command).json) {
    return report(`job ${target.name} is ${stateText(reply.job)}`, () => printJson(reply));
  }
  const [kind, name, state] = target.isArray
    ? ["array", arrayText(reply.job), countsText(await jobsOf(client, target))]
    : ["job", target.name, stateText(reply.job)];
  const more = note ? `, ${note}` : "";
  report(`${kind} ${name} is ${state}`, () => print(`${name} ${state}${more}`));
}
