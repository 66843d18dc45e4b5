/** Replacing this program, keeping the process: by its newer self, or by a job in a new session. */

import { resolve } from "node:path";
import { cString, cStringArray, errorText, lastErrno, libc, SystemError } from "./libc.ts";

const SIGNAL_ACTION_BYTES = 256, SIGNAL_SET_BYTES = 128;
const SIG_SETMASK = 2;
const LAST_SIGNAL = 64;

/** Where this program was when it began: what is there later is its successor. */
export const OWN_PATH = Deno.execPath();

/** Where relative paths of our words and variables begin. */
const STARTED_IN = Deno.cwd();
const PATH_VARIABLES = [
  "HOLDFAST_STATE_DIR",
  "HOLDFAST_RUNTIME_DIR",
  "STATE_DIRECTORY",
  "RUNTIME_DIRECTORY",
  "XDG_CONFIG_HOME",
  "XDG_STATE_HOME",
  "XDG_RUNTIME_DIR",
  "HOME",
];

/** How a program is executed: its words, its environment as NAME=VALUE, and where. */
export interface Execution {
  readonly argv: readonly string[];
  readonly environment: readonly string[];
  readonly directory: string;
}

/** As we were called, with what was relative made absolute: the supervisor stands in `/`. */
export function ownExecution(): Execution {
  const called = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1);
  const variables = Object.entries(Deno.env.toObject());
  return {
    argv: called.map(withAbsoluteConfig),
    environment: variables.map(([name, value]) =>
      `${name}=${PATH_VARIABLES.includes(name) ? absolute(value) : value}`
    ),
    directory: "/",
  };
}

/** Executes what is now installed in our place. Throws SystemError. */
export function replaceSelf(): never {
  const own = ownExecution();
  Deno.chdir(own.directory);
  const argv = cStringArray(own.argv);
  const envp = cStringArray(own.environment);
  libc.execve(cString(OWN_PATH), argv.array, envp.array);
  throw new SystemError(`execve ${OWN_PATH}`, lastErrno());
}

/** Of the flags only this one may name a relative path. */
function withAbsoluteConfig(word: string, at: number, words: readonly string[]): string {
  const inline = "--config=";
  if (word.startsWith(inline)) return inline + absolute(word.slice(inline.length));
  return words[at - 1] === "--config" ? absolute(word) : word;
}

function absolute(path: string): string {
  return path === "" || path.startsWith("/") ? path : resolve(STARTED_IN, path);
}

/** What setsid(1) does, for machines without it. Returns only with why it could not. */
export function executeInSession(command: readonly string[]): string {
  libc.setsid();
  // All zero is SIG_DFL, no flags; the runtime ignores SIGPIPE, and a job must not.
  const byDefault = new Uint8Array(SIGNAL_ACTION_BYTES);
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) libc.sigaction(signal, byDefault, null);
  libc.sigprocmask(SIG_SETMASK, new Uint8Array(SIGNAL_SET_BYTES), null);
  const argv = cStringArray(command);
  libc.execvp(cString(command[0]!), argv.array);
  return `${command[0]}: ${errorText(lastErrno())}`;
}
