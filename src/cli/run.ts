/** holdfast run: submits, shows the output as it comes, and exits as the job did. */

import type { Command } from "commander";
import { listenUnlessIgnored } from "../ignored_signals.ts";
import type { Job } from "../varlink/interface.ts";
import { withExamples } from "./arguments.ts";
import { askToEnd } from "./cancel.ts";
import { exitAsJob, globals, withAnyClient, withClient } from "./connection.ts";
import { EXIT, Failure, tell } from "./failure.ts";
import { showLogs } from "./logs.ts";
import { complain, printJson } from "./output.ts";
import { refuseUnrunnable } from "./runnable.ts";
import { addSpecOptions, readSpec, submitTo } from "./submit.ts";
import { jobExitCode } from "./wait.ts";
import { verb } from "./verb.ts";

const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143 } as const;
const THERE = { wasThere: true };

export function run(): Command {
  const command = addSpecOptions(verb("run", "submit a job, show its output, exit as it does"))
    .action((words: string[]) => exitAsJob(() => runJob(command, words)));
  // It is understood, so as to say what to do instead.
  command.options.find(({ long }) => long === "--array")!.hideHelp();
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
  if (spec.array !== undefined) {
    throw new Failure(
      "run follows one job; holdfast submit --array hands over many, and holdfast wait waits for them",
      EXIT.notTheJob,
    );
  }
  // Before signals are listened for, which could not end it while it looks.
  await refuseUnrunnable(command, spec);
  const submitted = withClient(command, (client) => submitTo(client, command, spec));
  // Before the answer: a job whose submitter was interrupted must not run on unnoticed.
  cancelOnSignal(command, submitted.then(({ job }) => job.id));
  const { job: { id } } = await submitted;
  try {
    return jobExitCode(await follow(command, id));
  } catch (error) {
    complain(`${tell(error).message}\njob ${id} is left to itself: holdfast status ${id}`);
    return EXIT.notTheJob;
  }
}

/** Shows the output until the job has ended; with --json its end alone. */
async function follow(command: Command, id: number): Promise<Job> {
  const { json } = globals(command);
  if (!json) await showLogs(command, id, { follow: true, ...THERE });
  const reply = await withAnyClient(command, (client) => client.call("Wait", { id }), THERE);
  if (json) printJson(reply);
  return reply.job;
}

function cancelOnSignal(command: Command, submitted: Promise<number>): void {
  let id: number | undefined;
  let isAsked = false;
  submitted.then((answer) => id = answer, () => {});
  const cancel = async (signal: keyof typeof SIGNAL_EXITS) => {
    if (isAsked) {
      const job = id === undefined ? "a job whose id is not known yet" : `job ${id}`;
      complain(`leaving ${job} to itself; holdfast list shows it`);
      Deno.exit(SIGNAL_EXITS[signal]);
    }
    isAsked = true;
    const known = await submitted.catch(() => undefined);
    if (known === undefined) return;
    await withAnyClient(command, (client) => askToEnd(client, { id: known }), THERE)
      .catch((error) => complain(`job ${known} could not be cancelled: ${tell(error).message}`));
  };
  listenUnlessIgnored("SIGINT", () => void cancel("SIGINT"));
  listenUnlessIgnored("SIGTERM", () => void cancel("SIGTERM"));
}
