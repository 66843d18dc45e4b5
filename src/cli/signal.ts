/** holdfast signal: sends a signal to a job's process group. */

import type { Command } from "commander";
import { jobId, type TypedId, withExamples } from "./arguments.ts";
import type { Job } from "../varlink/interface.ts";
import { type Client, VarlinkError } from "../varlink/client.ts";
import { globals, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { printJson, report } from "./output.ts";
import { find, jobsOf, named, type Target } from "./targets.ts";
import { verb } from "./verb.ts";

export function signal(): Command {
  const command = verb("signal", "send a signal to a job's process group")
    .argument("<id>", "id of the job or array", jobId)
    .argument("<signal>", "its name or number, such as USR1, SIGHUP, RTMIN+3 or 10")
    .action((id: TypedId, signal: string) =>
      withClient(command, async (client) => {
        const replies = await send(client, await find(client, id), signal);
        if (!globals(command).json) return;
        report("the signal was sent", () => replies.forEach((reply) => printJson(reply)));
      })
    );
  return withExamples(command, "holdfast signal 12 USR1", "holdfast signal 12 SIGSTOP");
}

async function send(client: Client, target: Target, signal: string): Promise<{ job: Job }[]> {
  const one = ({ id }: Job) => client.call("Signal", { id, signal });
  try {
    if (!target.isArray) return [await named(target.name, one(target.job))];
    const replies = await sendToAll(await jobsOf(client, target), one);
    if (replies.length > 0) return replies;
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "InvalidParameter") throw error;
    throw new Failure(
      `there is no signal '${signal}'; use a name that kill -l shows, such as USR1, or a number`,
      EXIT.usage,
    );
  }
  throw new Failure(`no job of array ${target.name} has a process to signal now`, EXIT.refused);
}

/** Jobs of an array that have nothing to signal are left out. */
async function sendToAll(
  jobs: readonly Job[],
  one: (job: Job) => Promise<{ job: Job }>,
): Promise<{ job: Job }[]> {
  const replies: { job: Job }[] = [];
  for (const job of jobs.filter(({ state, endedAt }) => state !== "QUEUED" && !endedAt)) {
    try {
      replies.push(await one(job));
    } catch (error) {
      const hasNone = error instanceof VarlinkError &&
        ["NotRunning", "JobEnded"].includes(error.name);
      if (!hasNone) throw error;
    }
  }
  return replies;
}
