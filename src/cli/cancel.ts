/** holdfast cancel: asks jobs to end. */

import type { Command } from "commander";
import { jobIds, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { stateText } from "./job_text.ts";
import { print, printJson } from "./output.ts";
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
          const reply = await client.call("Cancel", { id });
          if (globals(command).json) printJson(reply);
          else print(`${id} ${stateText(reply.job)}`);
        }
      })
    );
  return withExamples(
    command,
    "holdfast cancel 12",
    "holdfast cancel 12 13 && holdfast wait 12 13",
  );
}
