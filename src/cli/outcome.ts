/** What has become of a job, or of the jobs of an array, by what was just asked. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { arrayText, countsText } from "./array_text.ts";
import { globals } from "./connection.ts";
import { stateText } from "./job_text.ts";
import { print, printJson, report } from "./output.ts";
import { jobsOf, type Target } from "./targets.ts";

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
