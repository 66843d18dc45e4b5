/** holdfast history: every transition of a job, or of the jobs of an array. */

import type { Command } from "commander";
import type { Event } from "../varlink/interface.ts";
import { jobId, type TypedId, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { idText } from "./job_text.ts";
import { eventText } from "./watch.ts";
import { print, printJson } from "./output.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

export function history(): Command {
  const command = verb("history", "tell what happened to a job, and when")
    .argument("<id>", "id of the job or array", jobId)
    .action((id: TypedId) =>
      withClient(command, async (client) => {
        const jobs = await jobsOf(client, await find(client, id));
        const names = new Map(jobs.map((job) => [job.id, idText(job)]));
        const events: Event[] = [];
        for (const { id } of jobs) events.push(...(await client.call("History", { id })).events);
        events.sort((a, b) => a.sequence - b.sequence);
        if (globals(command).json) printJson({ events });
        else for (const event of events) print(eventText(event, names.get(event.id)));
      })
    );
  return withExamples(command, "holdfast history 12", "holdfast history 12_3");
}
