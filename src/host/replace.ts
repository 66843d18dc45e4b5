/** Replacing this program by its newer self, keeping the process. */

import { resolve } from "node:path";
import { cString, cStringArray, lastErrno, libc, SystemError } from "./libc.ts";

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
