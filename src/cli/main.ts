/** Picks the verb. Only the verb that was called is made, since each costs start-up time. */

import { Command, CommanderError } from "commander";
import { typedWords } from "../called.ts";
import { onUncaught } from "../uncaught.ts";
import { commit, version } from "../version.ts";
import { globals, withClient } from "./connection.ts";
import { cancel } from "./cancel.ts";
import { daemon } from "./daemon.ts";
import { AlreadyTold, EXIT, tell } from "./failure.ts";
import { health } from "./health.ts";
import { history } from "./history.ts";
import { hold, release } from "./hold.ts";
import { list } from "./list.ts";
import { logs } from "./logs.ts";
import { describeNode, drain, node, resume } from "./node.ts";
import { complain, print, printError, printJson, ReaderGone, width } from "./output.ts";
import { pausePool, pools, removePool, resumePool, setPool } from "./pools.ts";
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
  hold,
  release,
  resubmit,
  history,
  node,
  health,
  drain,
  resume,
  pools,
  "set-pool": setPool,
  "remove-pool": removePool,
  "pause-pool": pausePool,
  "resume-pool": resumePool,
  prune,
  recover,
  rebuild,
  upgrade,
};

/** Their exit codes are the job's, so all of ours is one other code. */
const LIKE_JOB = ["run", "wait"];

const EPILOGUE = `
Exit codes: 0 done, 1 failed, 2 usage, 3 no such job or pool, 4 no supervisor answers, 5 refused.
run and wait exit as the job did, and 125 for everything else.

A first job:
  $ holdfast daemon &
  $ holdfast run echo hello`;

/** Returns the exit code. */
export async function main(): Promise<number> {
  onUncaught((error) => Deno.exit(told(error)));
  try {
    const { root, words } = prepare(typedWords());
    await root.parseAsync(words, { from: "user" });
    return EXIT.done;
  } catch (error) {
    return told(error);
  }
}

/** The exit code of a failure that has been told. */
function told(error: unknown): number {
  // Commander has printed what was wrong, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof AlreadyTold) return error.exitCode;
  if (error instanceof ReaderGone) return EXIT.done;
  const { message, exitCode } = tell(error);
  complain(message);
  const { verb = "" } = read(addGlobals(new Command()), Deno.args);
  return LIKE_JOB.includes(verb) ? EXIT.notTheJob : exitCode;
}

/** What was typed: its verb, and the words with `help VERB` and `--help VERB` made `VERB --help`. */
function read(root: Command, typed: string[]): { verb?: string; words: string[] } {
  let at = indexOfVerb(root, typed, 0);
  let isHelp = typed.slice(0, at).some((word) => word === "-h" || word === "--help");
  if (typed[at] === "help") {
    isHelp = true;
    at = indexOfVerb(root, typed, at + 1);
  }
  const verb = typed[at];
  if (verb === undefined || verb === "help") return { words: isHelp ? ["--help"] : typed };
  // Help for what is no verb would be taken for an answer.
  if (!Object.hasOwn(VERBS, verb)) return { verb, words: [verb] };
  return { verb, words: isHelp ? [verb, "--help"] : typed };
}

/** Where the first word is that is neither an option nor its value. */
function indexOfVerb(root: Command, words: string[], from: number): number {
  let at = from;
  while (words[at]?.startsWith("-")) {
    at += root.options.some((option) => option.required && option.long === words[at]) ? 2 : 1;
  }
  return at;
}

function prepare(typed: string[]): { root: Command; words: string[] } {
  const root = addGlobals(new Command("holdfast"))
    .description("Runs jobs on this node and never loses its grip on them.")
    .version(`holdfast ${version} (commit ${commit})`, "-V, --version")
    .enablePositionalOptions()
    .helpCommand("help [verb]", "explain a verb")
    .hook("preAction", (_, called) => refuseEmpty(called))
    .addHelpText("after", EPILOGUE);
  const { verb, words } = read(root, typed);
  if (verb === undefined) root.action(() => overview(root));
  const wanted = verb !== undefined && Object.hasOwn(VERBS, verb) ? [verb] : Object.keys(VERBS);
  for (const name of wanted) root.addCommand(VERBS[name]!());
  for (const command of [root, ...root.commands]) {
    const wrongUse = LIKE_JOB.includes(command.name()) ? EXIT.notTheJob : EXIT.usage;
    command.exitOverride(({ exitCode, code, message }) => {
      throw new CommanderError(exitCode === 0 ? EXIT.done : wrongUse, code, message);
    })
      .showSuggestionAfterError()
      .showHelpAfterError(`See: ${command === root ? "" : "holdfast "}${command.name()} --help`)
      .configureOutput({
        writeOut: (text) => print(text.replace(/\n$/, "")),
        writeErr: printError,
        outputError: (text, write) => write(`holdfast: ${shorten(text)}`),
      });
  }
  return { root, words };
}

/** Documented for these: as good as not given. */
const MAY_BE_EMPTY = ["socket"];

/** What comes empty is most often a variable that nobody has set: to pass over it would be a surprise. */
function refuseEmpty(command: Command): void {
  const empty = Object.entries(command.optsWithGlobals())
    .find(([name, value]) => value === "" && !MAY_BE_EMPTY.includes(name));
  const typed = command.args.slice(0, command.registeredArguments.length).indexOf("");
  const option = command.options.find((option) => option.attributeName() === empty?.[0]);
  const what = empty ? option?.long ?? `--${empty[0]}` : command.registeredArguments[typed]?.name();
  if (what !== undefined) command.error(`error: ${what} is empty`);
}

/** Of Commander's words about a wrong value only the option's name: the reader of it says the rest. */
function shorten(text: string): string {
  return text.replace(/^error: /, "")
    .replace(/^command-argument value '.*' is invalid for argument '[^']*'\. /s, "")
    .replace(/^option '(?:-\w, )?(--[\w-]+)[^']*' argument '.*' is invalid\. /s, "$1: ");
}

/** Bare `holdfast`: how the node is, or how to start one. */
async function overview(root: Command): Promise<void> {
  const reply = await withClient(root, (client) => client.call("Node", {}));
  if (globals(root).json) return printJson(reply);
  for (const line of describeNode(reply.node, width())) print(line);
  print("\nholdfast --help lists the commands.");
}
