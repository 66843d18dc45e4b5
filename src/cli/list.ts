/** holdfast list: the jobs the journal knows, as a table; an array is one line. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Job, State } from "../varlink/interface.ts";
import { arrayText, countsText, together } from "./array_text.ts";
import { count, jobId, type TypedId, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { commandText, elapsedText, idText, paintState, stateText, usageCells } from "./job_text.ts";
import { isColourful, print, printJson, width } from "./output.ts";
import { find, listAll } from "./targets.ts";
import { layOut } from "./table.ts";
import { verb } from "./verb.ts";

const STATES: State[] = ["QUEUED", "STARTING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];
/** Of jobs that have not ended. */
export const LIVE: State[] = ["QUEUED", "STARTING", "RUNNING"];
const STATE_COLUMN = 1;

interface Options {
  readonly state?: string;
  readonly live?: boolean;
  readonly name?: string;
  readonly limit?: number;
  readonly each?: boolean;
  readonly array?: TypedId;
  readonly usage?: boolean;
}

export function list(): Command {
  const command = verb("list", "list jobs, oldest first")
    .option("--state <states>", "only these, such as FAILED or queued,running")
    .option("-l, --live", "only those that have not ended")
    .option("--name <name>", "only those of this name")
    .option("-n, --limit <n>", "only the newest n lines, with --json jobs", count)
    .option("--each", "each job of an array on a line of its own, as 12_3")
    .option("--array <id>", "only the jobs of this array, each on a line", jobId)
    .option("--usage", "with user and system time, peak memory, bytes read and written")
    .action(async (options: Options) => {
      const states = options.live ? LIVE : readStates(options.state);
      const jobs = await withClient(command, (client) => wanted(client, options, states));
      if (globals(command).json) return printJson({ jobs: newest(jobs, options.limit) });
      const lines = options.each || options.array ? jobs.map((job) => [job]) : grouped(jobs);
      for (const line of table(newest(lines, options.limit), options)) print(line);
    });
  return withExamples(
    command,
    "holdfast list",
    "holdfast list --live",
    "holdfast list --array 12 --usage",
    "holdfast list --state failed,cancelled -n 20",
    "holdfast list --json | jq '.jobs[].id'",
  );
}

async function wanted(client: Client, options: Options, states?: State[]): Promise<Job[]> {
  const { name, array } = options;
  if (!array) return await listAll(client, { states, name });
  const { job } = await find(client, array);
  if (!job.array) throw new Failure(`job ${array.id} is not of an array`, EXIT.usage);
  return await listAll(client, { states, name, array: job.array.id });
}

function newest<T>(all: T[], limit = all.length): T[] {
  return all.slice(Math.max(0, all.length - limit));
}

/** The jobs of an array together, in the place of the first of them. */
function grouped(jobs: Job[]): Job[][] {
  const groups = new Map<number, Job[]>();
  for (const job of jobs) {
    const id = job.array?.id ?? job.id;
    const group = groups.get(id);
    if (group) group.push(job);
    else groups.set(id, [job]);
  }
  return [...groups.values()];
}

const USAGE = ["USER", "SYSTEM", "MEMORY", "READ", "WRITTEN"];

/** A line for each job, or jobs of an array. */
function table(lines: Job[][], { usage, each, array }: Options): string[] {
  const now = Date.now();
  const paint = (text: string, column: number) => column === STATE_COLUMN ? paintState(text) : text;
  const row = (jobs: Job[]) => {
    const [job] = jobs as [Job];
    const isArray = job.array && !each && !array;
    const { id, state, exit } = isArray
      ? { id: arrayText(job), state: countsText(jobs), exit: "" }
      : { id: idText(job), state: stateText(job), exit: exitCell(job) };
    const all = isArray ? together(jobs) : job;
    return [
      id,
      state,
      exit,
      String(job.spec.cpus),
      elapsedText(all, now),
      ...(usage ? usageCells(all.usage) : []),
      job.spec.name ?? "",
      commandText(job.spec.command),
    ];
  };
  return layOut(
    ["ID", "STATE", "EXIT", "CPUS", "ELAPSED", ...(usage ? USAGE : []), "NAME", "COMMAND"],
    lines.map(row),
    { width: width(), paint: isColourful() ? paint : undefined },
  );
}

function exitCell({ exitCode, reason }: Job): string {
  return exitCode ?? (reason && reason !== "exit" ? reason : "");
}

function readStates(text?: string): State[] | undefined {
  return text?.split(",").map((word) => {
    const state = STATES.find((state) => state === word.trim().toUpperCase());
    if (state) return state;
    throw new Failure(`there is no state ${word}; the states are ${STATES.join(", ")}`, EXIT.usage);
  });
}
