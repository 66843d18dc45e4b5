/** holdfast submit: hands a job over and prints its id. Its options are those of run too. */

import { type Command, Option } from "commander";
import { calledIn, type NotText } from "../called.ts";
import { LIMIT_NAMES } from "../job/limits.ts";
import { limitText } from "../limit_text.ts";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job, Methods, Pin, Spec } from "../varlink/interface.ts";
import {
  cpus,
  duration,
  grace,
  indexes,
  jobIds,
  limit,
  poolName,
  priority,
  size,
  time,
  type TypedId,
  variable,
  withExamples,
} from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { print, printJson, report } from "./output.ts";
import { refuseUnrunnable } from "./runnable.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

export function submit(): Command {
  const command = addSpecOptions(verb("submit", "hand a job to the supervisor; prints its id"))
    .action(async (words: string[]) => {
      const spec = readSpec(command, words);
      await refuseUnrunnable(command, spec);
      const reply = await withClient(command, (client) => submitTo(client, command, spec));
      reportJob(command, reply, reply.created ? "was submitted" : "was submitted before");
    });
  return withExamples(
    command,
    "holdfast submit make -j2 all",
    "holdfast submit --name train --cpus 4 --timeout 2h -- python train.py --epochs 10",
    "holdfast submit --after 12 --key nightly-2026-11-24 ./report.sh",
    "holdfast submit sh -c 'sort big.txt > sorted.txt'",
    "holdfast submit --pool gpu --not-before 18:00 ./train.sh",
    "holdfast submit --array 1-100%10 sh -c './step $HOLDFAST_ARRAY_INDEX'",
  );
}

/** Prints a new job's id, or its reply; `what` has become of it even when nobody can read that. */
export function reportJob(command: Command, reply: { job: Job }, what: string): void {
  const { id } = reply.job;
  report(`job ${id} ${what}`, () => {
    if (globals(command).json) printJson(reply);
    else print(String(id));
  });
}

export async function submitTo(
  client: Client,
  command: Command,
  spec: Spec,
): Promise<Methods["Submit"][1]> {
  const typed: TypedId[] | undefined = command.opts().after;
  const after = typed && (await Promise.all(typed.map((each) => idsOf(client, each)))).flat();
  return await client.call("Submit", { spec: { ...spec, after } });
}

/** The job, or every job of the array. */
async function idsOf(client: Client, typed: TypedId): Promise<number[]> {
  try {
    return (await jobsOf(client, await find(client, typed))).map(({ id }) => id);
  } catch (error) {
    const isUnknown = error instanceof VarlinkError && error.name === "NoSuchJob";
    // It is for the supervisor to say: a request that it has by its key needs no look-up.
    if (isUnknown && typed.index === undefined) return [typed.id];
    throw error;
  }
}

/** Options after the command belong to the command. */
export function addSpecOptions(command: Command): Command {
  return command
    .argument("<command...>", "the program and its arguments")
    .passThroughOptions()
    .option("--name <name>", "a name to find it by")
    .option("--key <key>", "names this request: submitting it again returns the first job")
    .option("--directory <path>", "where it runs (default: here)")
    .option("--env <name=value>", "set a variable; may be repeated", variable)
    .option(
      "--clean-env",
      "send only PATH, HOME, USER, LOGNAME, SHELL, LANG and TERM of this environment",
    )
    .option("--cpus <n>", "CPUs it needs (default 1)", cpus)
    .option(
      "--memory <size>",
      "memory it needs, such as 512M or 2G (default: none set aside)",
      size,
    )
    .option(
      "--timeout <duration>",
      "stop it after this long, such as 90s or 2h (default 1d, 0 for never)",
      duration,
    )
    .option("--grace <duration>", "time between SIGTERM and SIGKILL (default 10s)", grace)
    .option("--priority <n>", "higher starts first (default 0)", priority)
    .addOption(
      new Option(
        "--after <id>",
        "start when this job, or all of this array, has completed; may be repeated",
      ).argParser(
        jobIds,
      ),
    )
    .option("--pool <name>", "run no more jobs at once than this pool allows", poolName)
    .option(
      "--not-before <time>",
      "start no earlier: 18:00 (the next), '2026-11-24 18:00', RFC 3339, or +90m",
      time,
    )
    .option("--hold", "wait until holdfast release")
    .option(
      "--array <indexes>",
      "a job for each index of 1-100, 0-9:2 or 1,3,7-9, which it finds in $HOLDFAST_ARRAY_INDEX; " +
        "%10 behind them: ten at once",
      indexes,
    )
    .option("--user <name>", "whom it runs as")
    .option("--limit <name=value>", `a limit; may be repeated: ${LIMITS}`, limit)
    .addOption(
      new Option("--pin", "run on CPUs that no other pinned job has").conflicts("pinShared"),
    )
    .option("--pin-shared", "run on the CPUs with the fewest pinned jobs");
}

const LIMITS = LIMIT_NAMES.map(limitText).join(", ");
const KEPT = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM"];
/** They are the job's own, and ours when a job submits another. */
const NOT_INHERITED = ["JOB_ID", "TOKEN", "ARRAY_ID", "ARRAY_INDEX"].map((name) =>
  `HOLDFAST_${name}`
);

/** All that was typed but --after, which takes a client to look up. */
export function readSpec(command: Command, words: string[]): Spec {
  const { name, key, directory, env, cleanEnv, ...rest } = command.opts();
  const { cpus, memory, timeout, grace, priority, user, pool, notBefore, hold, array } = rest;
  const { limit: limits } = rest;
  const pin: Pin | undefined = rest.pin ? "exclusive" : rest.pinShared ? "shared" : undefined;
  const environment = {
    ...callersEnvironment(cleanEnv === true),
    // That of the caller would name another directory.
    ...directory !== undefined && { PWD: absolute(directory) },
    ...env,
  };
  const wanted = { name, key, cpus, memory, timeout, grace, priority, user };
  const when = { pool, notBefore, hold, array, limits, pin };
  return { command: words, directory: absolute(directory), environment, ...wanted, ...when };
}

function absolute(directory: string | undefined): string {
  if (directory?.startsWith("/")) return directory;
  const here = callersDirectory();
  return directory === undefined ? here : `${here}/${directory}`;
}

function callersDirectory(): string {
  let problem = "the directory that this was called in has been removed";
  try {
    const here = calledIn();
    if (here !== undefined) return here;
  } catch (error) {
    problem = (error as NotText).message;
  }
  throw new Failure(`${problem}\nSay where the job is to run, as with: --directory /`, EXIT.usage);
}

function callersEnvironment(isClean: boolean): Record<string, string> {
  const all = Object.entries(Deno.env.toObject());
  const wanted = all.filter(([name]) =>
    isClean ? KEPT.includes(name) : !NOT_INHERITED.includes(name)
  );
  return Object.fromEntries(wanted);
}
