/** holdfast wait: waits for jobs and exits as they did. */

import type { Command } from "commander";
import type { Job } from "../varlink/interface.ts";
import { duration, jobIds, withExamples } from "./arguments.ts";
import { exitAsJob, globals, withAnyClient } from "./connection.ts";
import { EXIT } from "./failure.ts";
import { exitCodeOf } from "./job_text.ts";
import { complain, printJson } from "./output.ts";
import { verb } from "./verb.ts";

export function wait(): Command {
  const command = verb("wait", "wait until jobs have ended; exits as the first that failed did")
    .argument("<id...>", "ids of jobs", jobIds)
    .option("--timeout <duration>", "give up after this long, and exit 125", duration)
    .action((ids: number[], options: { timeout?: number }) =>
      exitAsJob(() => waitForAll(command, ids, options.timeout))
    );
  return withExamples(command, "holdfast wait 12", "holdfast wait --timeout 5m 12 13 14")
    .addHelpText(
      "after",
      "\nExit code: the job's, 128+n if signal n killed it, 125 for everything else.",
    );
}

async function waitForAll(command: Command, ids: number[], timeout?: number): Promise<number> {
  const until = timeout === undefined ? undefined : Date.now() + timeout * 1000;
  let first = 0;
  // A wrong id is told now, not after the hours that the others take.
  await withAnyClient(
    command,
    (client) => Promise.all(ids.map((id) => client.call("Status", { id }))),
  );
  for (const id of ids) {
    const { job } = await withAnyClient(command, (client) => {
      const left = until === undefined
        ? undefined
        : Math.max(0, Math.ceil((until - Date.now()) / 1000));
      return client.call("Wait", { id, timeout: left });
    }, { wasThere: true });
    if (globals(command).json) printJson({ job });
    first ||= jobExitCode(job);
  }
  return first;
}

/** The exit code of a verb that ends as the job did, having said what is not the job's own. */
export function jobExitCode(job: Job): number {
  if (!job.endedAt) {
    complain(`job ${job.id} is still ${job.state}`);
    return EXIT.notTheJob;
  }
  const known = exitCodeOf(job);
  if (job.state !== "COMPLETED" && job.reason !== "exit" && job.reason !== "signal") {
    complain(
      `job ${job.id} is ${job.state} (${job.reason})${job.message ? `: ${job.message}` : ""}`,
    );
  }
  return known ?? EXIT.notTheJob;
}
