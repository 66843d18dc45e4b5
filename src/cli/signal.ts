/** holdfast signal: sends a signal to the process groups of jobs. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Changed, Named } from "../varlink/interface.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { EXIT, Failure } from "./failure.ts";
import { changeJobs } from "./several.ts";
import { verb } from "./verb.ts";

export function signal(): Command {
  const command = verb("signal", "send a signal to the process groups of jobs")
    .usage("[options] <id...> <signal>")
    .argument("<word...>", "ids of jobs or arrays, then the signal's name or number")
    .action((words: string[]) => {
      const name = words.at(-1)!;
      const ids = words.slice(0, -1);
      if (ids.length === 0) {
        throw new Failure(`which signal? holdfast signal ${name} USR1`, EXIT.usage);
      }
      if (name === "") command.error("error: signal is empty");
      return changeJobs(command, ids.flatMap(readIds), {
        ask: (client, jobs) => send(client, jobs, name),
        noneOf: (array) => `no job of array ${array} has a process to signal now`,
        isSilent: true,
      });
    });
  return withExamples(command, "holdfast signal 12 USR1", "holdfast signal 12 13 SIGSTOP");
}

function readIds(text: string): TypedId[] {
  try {
    return jobIds(text);
  } catch (error) {
    throw new Failure((error as Error).message, EXIT.usage);
  }
}

async function send(client: Client, jobs: Named, signal: string): Promise<Changed> {
  try {
    return await client.call("Signal", { ...jobs, signal });
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "InvalidParameter") throw error;
    throw new Failure(
      `there is no signal '${signal}'; use a name that kill -l shows, such as USR1, or a number`,
      EXIT.usage,
    );
  }
}
