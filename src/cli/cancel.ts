/** holdfast cancel: asks jobs to end. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Changed, Named } from "../varlink/interface.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { Failure, tell } from "./failure.ts";
import { changeJobs } from "./several.ts";
import { verb } from "./verb.ts";

export function cancel(): Command {
  const command = verb(
    "cancel",
    "stop jobs: SIGTERM, and SIGKILL to all that is left after the grace period",
  )
    .argument("<id...>", "ids of jobs or arrays", jobIds)
    .action((ids: TypedId[]) =>
      changeJobs(command, ids, {
        ask: askToEnd,
        noneOf: (array) => `array ${array} has no job any more`,
      })
    );
  return withExamples(
    command,
    "holdfast cancel 12",
    "holdfast cancel 12 13 && holdfast wait 12 13",
    "holdfast cancel 12_3",
  );
}

/** A job that must end now can be ended without the journal too. */
export async function askToEnd(client: Client, jobs: Named): Promise<Changed> {
  try {
    return await client.call("Cancel", jobs);
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "JournalUnavailable") throw error;
    const { message, exitCode } = tell(error);
    const id = "id" in jobs ? jobs.id : "ID";
    throw new Failure(
      `${message}\nholdfast signal ${id} KILL kills it without the journal.`,
      exitCode,
    );
  }
}
