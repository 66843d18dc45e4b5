/** holdfast submit: hands a job over and prints its id. Its options are those of run too. */

import { type Command, Option } from "commander";
import { LIMIT_NAMES } from "../job/limits.ts";
import { limitText } from "../limit_text.ts";
import type { Job, Pin, Spec } from "../varlink/interface.ts";
import {
  cpus,
  duration,
  grace,
  jobIds,
  limit,
  priority,
  size,
  variable,
  withExamples,
} from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { print, printJson, report } from "./output.ts";
import { verb } from "./verb.ts";

export function submit(): Command {
  const command = addSpecOptions(verb("submit", "hand a job to the supervisor; prints its id"))
    .action(async (words: string[]) => {
      const reply = await withClient(
        command,
        (client) => client.call("Submit", { spec: readSpec(command, words) }),
      );
      reportJob(command, reply, reply.created ? "was submitted" : "was submitted before");
    });
  return withExamples(
    command,
    "holdfast submit make -j2 all",
    "holdfast submit --name train --cpus 4 --timeout 2h -- python train.py --epochs 10",
    "holdfast submit --after 12 --key nightly-2026-11-24 ./report.sh",
    "holdfast submit sh -c 'sort big.txt > sorted.txt'",
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
      new Option("--after <id>", "start when this job has completed; may be repeated").argParser(
        jobIds,
      ),
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
const NOT_INHERITED = ["HOLDFAST_JOB_ID", "HOLDFAST_TOKEN"];

export function readSpec(command: Command, words: string[]): Spec {
  const { name, key, directory, env, cleanEnv, ...rest } = command.opts();
  const { cpus, memory, timeout, grace, priority, after, user, limit: limits } = rest;
  const pin: Pin | undefined = rest.pin ? "exclusive" : rest.pinShared ? "shared" : undefined;
  const environment = { ...callersEnvironment(cleanEnv === true), ...env };
  const here = Deno.cwd();
  const place = directory === undefined
    ? here
    : directory.startsWith("/")
    ? directory
    : `${here}/${directory}`;
  const wanted = { name, key, cpus, memory, timeout, grace, priority, after, user, limits, pin };
  return { command: words, directory: place, environment, ...wanted };
}

function callersEnvironment(isClean: boolean): Record<string, string> {
  const all = Object.entries(Deno.env.toObject());
  const wanted = all.filter(([name]) =>
    isClean ? KEPT.includes(name) : /^[A-Za-z_]\w*$/.test(name) && !NOT_INHERITED.includes(name)
  );
  return Object.fromEntries(wanted);
}
