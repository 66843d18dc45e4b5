/** holdfast cancel: asks jobs to end. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { jobIds, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { Failure, tell } from "./failure.ts";
import { stateText } from "./job_text.ts";
import { print, printJson, report } from "./output.ts";
import { verb } from "./verb.ts";

export function cancel(): Command {
  const command = verb(
    "cancel",
    "stop jobs: SIGTERM, and SIGKILL to all that is left after the grace period",
  )
    .argument("<id...>", "ids of jobs", jobIds)
    .action((ids: number[]) =>
      withClient(command, async (client) => {
        for (const id of ids) {
          const reply = await askToEnd(client, id);
          const state = stateText(reply.job);
          report(`job ${id} is ${state}`, () => {
            if (globals(command).json) printJson(reply);
            else print(`${id} ${state}`);
          });
        }
      })
    );
  return withExamples(
    command,
    "holdfast cancel 12",
    "holdfast cancel 12 13 && holdfast wait 12 13",
  );
}

/** A job that must end now can be ended without the journal too. */
export async function askToEnd(client: Client, id: number): Promise<{ job: Job }> {
  try {
    return await client.call("Cancel", { id });
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "JournalUnavailable") throw error;
    const { message, exitCode } = tell(error);
    throw new Failure(
      `${message}\nholdfast signal ${id} KILL kills it without the journal.`,
      exitCode,
    );
  }
}
