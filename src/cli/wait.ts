/** holdfast wait: waits for jobs and exits as they did. */

import type { Command } from "commander";
import type { Job } from "../varlink/interface.ts";
import { indexesOf } from "./array_text.ts";
import { duration, jobIds, type TypedId, withExamples } from "./arguments.ts";
import { exitAsJob, globals, withAnyClient } from "./connection.ts";
import { EXIT } from "./failure.ts";
import { exitCodeOf, idText } from "./job_text.ts";
import { complain, printJson } from "./output.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

export function wait(): Command {
  const command = verb("wait", "wait until jobs have ended; exits as the first that failed did")
    .argument("<id...>", "ids of jobs or arrays", jobIds)
    .option("--timeout <duration>", "give up after this long, and exit 125", duration)
    .action((ids: TypedId[], options: { timeout?: number }) =>
      exitAsJob(() => waitForAll(command, ids, options.timeout))
    );
  return withExamples(command, "holdfast wait 12", "holdfast wait --timeout 5m 12 13 14")
    .addHelpText(
      "after",
      "\nExit code: the job's, 128+n if signal n killed it, 125 for everything else; of an array that" +
        "\nof the job with the lowest index that did not complete.",
    );
}

async function waitForAll(command: Command, ids: TypedId[], timeout?: number): Promise<number> {
  const until = timeout === undefined ? undefined : performance.now() + timeout * 1000;
  let first = 0;
  // A wrong id is told now, not after the hours that the others take.
  const targets = await withAnyClient(command, (client) =>
    Promise.all(ids.map(async (id) => {
      const target = await find(client, id);
      return { ...target, jobs: await jobsOf(client, target) };
    })));
  for (const { name, isArray, jobs } of targets) {
    const ended = await waitForEach(command, jobs.map(({ id }) => id), until);
    first ||= isArray ? arrayExitCode(name, ended) : jobExitCode(ended[0]!);
  }
  return first;
}

/** The jobs when they have ended, or as they are when the time is over. */
async function waitForEach(command: Command, ids: number[], untilMs?: number): Promise<Job[]> {
  const jobs: Job[] = [];
  await withAnyClient(command, async (client) => {
    while (jobs.length < ids.length) {
      const timeout = untilMs && Math.max(0, Math.ceil((untilMs - performance.now()) / 1000));
      const { job } = await client.call("Wait", { id: ids[jobs.length]!, timeout });
      if (globals(command).json) printJson({ job });
      jobs.push(job);
    }
  }, { wasThere: true });
  return jobs;
}

/** That of the first job that has not completed, having said which these are. */
function arrayExitCode(name: string, jobs: Job[]): number {
  const others = jobs.filter(({ state }) => state !== "COMPLETED");
  if (others.length === 0) return 0;
  complain(
    `${others.length} of ${jobs.length} jobs of array ${name} have not completed: ` +
      `indexes ${indexesOf(others)}`,
  );
  return jobExitCode(others[0]!);
}

/** The exit code of a verb that ends as the job did, having said what is not the job's own. */
export function jobExitCode(job: Job): number {
  if (!job.endedAt) {
    complain(`job ${idText(job)} is still ${job.state}`);
    return EXIT.notTheJob;
  }
  const known = exitCodeOf(job);
  if (job.state !== "COMPLETED" && job.reason !== "exit" && job.reason !== "signal") {
    complain(
      `job ${idText(job)} is ${job.state} (${job.reason})${job.message ? `: ${job.message}` : ""}`,
    );
  }
  return known ?? EXIT.notTheJob;
}
