/** holdfast status: all that is known of a job, or a summary of an array. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { jobId, type TypedId, withExamples } from "./arguments.ts";
import { describeArray } from "./array_text.ts";
import { globals, withClient } from "./connection.ts";
import { describeJob } from "./job_text.ts";
import { print, printJson, width } from "./output.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

export function status(): Command {
  const command = verb("status", "tell all that is known of a job, or how an array is")
    .argument("<id>", "id of the job or array", jobId)
    .action((id: TypedId) =>
      withClient(command, async (client) => {
        const target = await find(client, id);
        const { job, isArray } = target;
        const jobs = isArray ? await withOutlook(client, await jobsOf(client, target)) : [];
        const lines = () =>
          isArray
            ? describeArray(jobs, Date.now(), width())
            : describeJob(job, Date.now(), width());
        if (globals(command).json) printJson(isArray ? { jobs } : { job });
        else for (const line of lines()) print(line);
      })
    );
  return withExamples(
    command,
    "holdfast status 12",
    "holdfast status 12_3",
    "holdfast status --json 12",
  );
}

/** List does not tell what a job waits for: it is asked of the one that comes next. */
async function withOutlook(client: Client, jobs: Job[]): Promise<Job[]> {
  const at = jobs.findIndex(({ state }) => state === "QUEUED");
  return at < 0 ? jobs : jobs.with(at, (await client.call("Status", { id: jobs[at]!.id })).job);
}
