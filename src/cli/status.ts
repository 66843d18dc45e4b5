/** holdfast status: all that is known of one job. */

import type { Command } from "commander";
import { jobId, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { describeJob } from "./job_text.ts";
import { print, printJson, width } from "./output.ts";
import { verb } from "./verb.ts";

export function status(): Command {
  const command = verb("status", "tell all that is known of a job")
    .argument("<id>", "id of the job", jobId)
    .action(async (id: number) => {
      const reply = await withClient(command, (client) => client.call("Status", { id }));
      if (globals(command).json) printJson(reply);
      else for (const line of describeJob(reply.job, Date.now(), width())) print(line);
    });
  return withExamples(command, "holdfast status 12", "holdfast status --json 12");
}
