/** holdfast history: every transition of a job. */

import type { Command } from "commander";
import { jobId, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { eventText } from "./watch.ts";
import { print, printJson } from "./output.ts";
import { verb } from "./verb.ts";

export function history(): Command {
  const command = verb("history", "tell what happened to a job, and when")
    .argument("<id>", "id of the job", jobId)
    .action(async (id: number) => {
      const reply = await withClient(command, (client) => client.call("History", { id }));
      if (globals(command).json) printJson(reply);
      else for (const event of reply.events) print(eventText(event));
    });
  return withExamples(command, "holdfast history 12");
}
