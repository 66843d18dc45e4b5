/** holdfast signal: sends a signal to a job's process group. */

import type { Command } from "commander";
import { jobId, withExamples } from "./arguments.ts";
import { VarlinkError } from "../varlink/client.ts";
import { globals, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { printJson, report } from "./output.ts";
import { verb } from "./verb.ts";

export function signal(): Command {
  const command = verb("signal", "send a signal to a job's process group")
    .argument("<id>", "id of the job", jobId)
    .argument("<signal>", "its name or number, such as USR1, SIGHUP or 10")
    .action(async (id: number, signal: string) => {
      const reply = await withClient(command, (client) => client.call("Signal", { id, signal }))
        .catch((error) => {
          if (!(error instanceof VarlinkError) || error.name !== "InvalidParameter") throw error;
          throw new Failure(
            `there is no signal ${signal}; use a name such as USR1, or a number`,
            EXIT.usage,
          );
        });
      if (globals(command).json) report("the signal was sent", () => printJson(reply));
    });
  return withExamples(command, "holdfast signal 12 USR1", "holdfast signal 12 SIGSTOP");
}
