/** holdfast resubmit: a new job like an old one. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { jobId, type TypedId, withExamples } from "./arguments.ts";
import { withClient } from "./connection.ts";
import { refuseUnrunnable } from "./runnable.ts";
import { reportJob } from "./submit.ts";
import { find, type Target } from "./targets.ts";
import { verb } from "./verb.ts";

export function resubmit(): Command {
  const command = verb("resubmit", "submit a job again as a new one; prints the new id")
    .argument("<id>", "id of the job or array", jobId)
    .action(async (id: TypedId) => {
      const reply = await withClient(
        command,
        async (client) => {
          const target = await find(client, id);
          await refuseUnrunnable(command, target.job.spec);
          return await again(client, target);
        },
      );
      reportJob(command, reply, "was submitted");
    });
  return withExamples(command, "holdfast resubmit 12", "holdfast resubmit 12_3");
}

/** One job of an array is submitted as an array of one, so that it has its index again. */
function again(client: Client, { job, isArray }: Target): Promise<{ job: Job }> {
  if (!job.array || isArray) return client.call("Resubmit", { id: job.id });
  const { key: _, ...spec } = job.spec;
  return client.call("Submit", { spec: { ...spec, array: String(job.array.index) } });
}
