/** Picks the verb. Only the verb that was called is made, since each costs start-up time. */

import { Command, CommanderError } from "commander";
import { commit, version } from "../version.ts";
import { globals, withClient } from "./connection.ts";
import { cancel } from "./cancel.ts";
import { daemon } from "./daemon.ts";
import { EXIT, tell } from "./failure.ts";
import { history } from "./history.ts";
import { list } from "./list.ts";
import { logs } from "./logs.ts";
import { describeNode, drain, node, resume } from "./node.ts";
import { complain, print, printError, printJson, ReaderGone } from "./output.ts";
import { prune } from "./prune.ts";
import { rebuild } from "./rebuild.ts";
import { recover } from "./recover.ts";
import { resubmit } from "./resubmit.ts";
import { run } from "./run.ts";
import { signal } from "./signal.ts";
import { status } from "./status.ts";
import { submit } from "./submit.ts";
import { upgrade } from "./upgrade.ts";
import { addGlobals } from "./verb.ts";
import { wait } from "./wait.ts";
import { watch } from "./watch.ts";

const VERBS: Record<string, () => Command> = {
  daemon,
  submit,
  run,
  cancel,
  status,
  list,
  wait,
  logs,
  watch,
  signal,
  resubmit,
  history,
  node,
  drain,
  resume,
  prune,
  recover,
  rebuild,
  upgrade,
};

/** Their exit codes are the job's, so all of ours is one other code. */
const LIKE_JOB = ["run", "wait"];

const EPILOGUE = `
Exit codes: 0 done, 1 failed, 2 usage, 3 no such job, 4 no supervisor answers, 5 refused.
run and wait exit as the job did, and 125 for everything else.

A first job:
  $ holdfast daemon &
  $ holdfast run echo hello`;

/** Returns the exit code. */
export async function main(words: string[]): Promise<number> {
  try {
    await program(words).parseAsync(words, { from: "user" });
    return EXIT.done;
  } catch (error) {
    // Commander has printed what was wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof ReaderGone) return EXIT.done;
    const { message, exitCode } = tell(error);
    complain(message);
    return exitCode;
  }
}

function program(words: string[]): Command {
  const program = addGlobals(new Command("holdfast"))
    .description("Runs jobs on this node and never loses its grip on them.")
    .version(`holdfast ${version} (commit ${commit})`, "-V, --version")
    .enablePositionalOptions()
    .helpCommand(false)
    .allowExcessArguments()
    .addHelpText("after", EPILOGUE)
    .action(() => overview(program));
  const called = words.filter((word) => Object.hasOwn(VERBS, word));
  const wanted = called.length > 0 ? [...new Set(called)] : Object.keys(VERBS);
  for (const name of wanted) program.addCommand(VERBS[name]!());
  for (const command of [program, ...program.commands]) {
    const wrongUse = LIKE_JOB.includes(command.name()) ? EXIT.notTheJob : EXIT.usage;
    command.exitOverride(({ exitCode, code, message }) => {
      throw new CommanderError(exitCode === 0 ? EXIT.done : wrongUse, code, message);
    })
      .showSuggestionAfterError()
      .showHelpAfterError(`See: ${command === program ? "" : "holdfast "}${command.name()} --help`)
      .configureOutput({
        writeOut: (text) => print(text.replace(/\n$/, "")),
        writeErr: printError,
        outputError: (text, write) => write(text.replace(/^error: /, "holdfast: ")),
      });
  }
  return program;
}

/** Bare `holdfast`: how the node is, or how to start one. */
async function overview(program: Command): Promise<void> {
  const [unknown] = program.args;
  if (unknown !== undefined) program.error(`error: unknown command '${unknown}'`);
  const reply = await withClient(program, (client) => client.call("Node", {}));
  if (globals(program).json) return printJson(reply);
  for (const line of describeNode(reply.node)) print(line);
  print("\nholdfast --help lists the commands.");
}
