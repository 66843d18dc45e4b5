/** holdfast list: the jobs the journal knows, as a table. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Job, State } from "../varlink/interface.ts";
import { count, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { commandText, elapsedText, paintState, stateText } from "./job_text.ts";
import { isColourful, print, printJson, width } from "./output.ts";
import { layOut } from "./table.ts";
import { verb } from "./verb.ts";

const PAGE = 1000;
const STATES: State[] = ["QUEUED", "STARTING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];
const LIVE: State[] = ["QUEUED", "STARTING", "RUNNING"];
const STATE_COLUMN = 1;

interface Options {
  readonly state?: string;
  readonly live?: boolean;
  readonly name?: string;
  readonly limit?: number;
}

export function list(): Command {
  const command = verb("list", "list jobs, oldest first")
    .option("--state <states>", "only these, such as FAILED or queued,running")
    .option("-l, --live", "only those that have not ended")
    .option("--name <name>", "only those of this name")
    .option("-n, --limit <n>", "only the newest n", count)
    .action(async (options: Options) => {
      const states = options.live ? LIVE : readStates(options.state);
      const all = await withClient(command, (client) => allJobs(client, states, options.name));
      const jobs = options.limit === undefined ? all : all.slice(-options.limit || all.length);
      if (globals(command).json) printJson({ jobs });
      else for (const line of table(jobs)) print(line);
    });
  return withExamples(
    command,
    "holdfast list",
    "holdfast list --live",
    "holdfast list --state failed,cancelled -n 20",
    "holdfast list --json | jq '.jobs[].id'",
  );
}

function table(jobs: Job[]): string[] {
  const now = Date.now();
  const paint = (text: string, column: number) => column === STATE_COLUMN ? paintState(text) : text;
  return layOut(
    ["ID", "STATE", "EXIT", "CPUS", "ELAPSED", "NAME", "COMMAND"],
    jobs.map((job) => [
      String(job.id),
      stateText(job),
      job.exitCode ?? (job.reason && job.reason !== "exit" ? job.reason : ""),
      String(job.spec.cpus),
      elapsedText(job, now),
      job.spec.name ?? "",
      commandText(job.spec.command),
    ]),
    { width: width(), paint: isColourful() ? paint : undefined },
  );
}

async function allJobs(client: Client, states?: State[], name?: string): Promise<Job[]> {
  const jobs: Job[] = [];
  let after: number | undefined;
  do {
    const page = await client.call("List", { states, name, after, limit: PAGE });
    jobs.push(...page.jobs);
    after = page.next;
  } while (after !== undefined);
  return jobs;
}

function readStates(text?: string): State[] | undefined {
  return text?.split(",").map((word) => {
    const state = STATES.find((state) => state === word.trim().toUpperCase());
    if (state) return state;
    throw new Failure(`there is no state ${word}; the states are ${STATES.join(", ")}`, EXIT.usage);
  });
}
