/** holdfast resubmit: a new job like an old one. */

import type { Command } from "commander";
import { jobId, withExamples } from "./arguments.ts";
import { withClient } from "./connection.ts";
import { reportJob } from "./submit.ts";
import { verb } from "./verb.ts";

export function resubmit(): Command {
  const command = verb("resubmit", "submit a job again as a new one; prints the new id")
    .argument("<id>", "id of the job", jobId)
    .action(async (id: number) => {
      const reply = await withClient(command, (client) => client.call("Resubmit", { id }));
      reportJob(command, reply, "was submitted");
    });
  return withExamples(command, "holdfast resubmit 12");
}
