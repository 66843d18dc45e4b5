/** holdfast run: submits, shows the output as it comes, and exits as the job did. */

import type { Command } from "commander";
import { withExamples } from "./arguments.ts";
import { exitAsJob, globals, withAnyClient, withClient } from "./connection.ts";
import { showLogs } from "./logs.ts";
import { complain, printJson } from "./output.ts";
import { addSpecOptions, readSpec } from "./submit.ts";
import { jobExitCode } from "./wait.ts";
import { verb } from "./verb.ts";

const SIGINT_EXIT = 130;

export function run(): Command {
  const command = addSpecOptions(verb("run", "submit a job, show its output, exit as it does"))
    .action((words: string[]) => exitAsJob(() => runJob(command, words)));
  return withExamples(
    command,
    "holdfast run make test",
    "holdfast run --timeout 10m -- ./integration-test --verbose",
  ).addHelpText(
    "after",
    "\nCtrl-C cancels the job; a second Ctrl-C leaves it to itself." +
      "\nExit code: the job's, 128+n if signal n killed it, 125 for everything else.",
  );
}

async function runJob(command: Command, words: string[]): Promise<number> {
  const spec = readSpec(command, words);
  const { job } = await withClient(command, (client) => client.call("Submit", { spec }));
  cancelOnSignal(command, job.id);
  await showLogs(command, job.id, { follow: true, silent: globals(command).json === true });
  const { job: ended } = await withAnyClient(
    command,
    (client) => client.call("Wait", { id: job.id }),
  );
  if (globals(command).json) printJson({ job: ended });
  return jobExitCode(ended);
}

function cancelOnSignal(command: Command, id: number): void {
  let isAsked = false;
  const cancel = () => {
    if (isAsked) {
      complain(`job ${id} goes on ending; holdfast wait ${id} tells how`);
      Deno.exit(SIGINT_EXIT);
    }
    isAsked = true;
    withAnyClient(command, (client) => client.call("Cancel", { id }))
      .catch((error) => complain(`job ${id} could not be cancelled: ${error.message}`));
  };
  Deno.addSignalListener("SIGINT", cancel);
  Deno.addSignalListener("SIGTERM", cancel);
}
