/** Replacing this program, keeping the process: by its newer self, or by a job in a new session. */

import { cString, cStringArray, errorText, lastErrno, libc, SystemError } from "./libc.ts";

const SIGNAL_ACTION_BYTES = 256, SIGNAL_SET_BYTES = 128;
const SIG_SETMASK = 2;
const LAST_SIGNAL = 64;

/** Where this program was when it began: what is there later is its successor. */
export const OWN_PATH = Deno.execPath();

/** Why what is now installed cannot take our place; undefined when nothing is seen against it. */
export function cannotReplace(): string | undefined {
  try {
    using file = Deno.openSync(OWN_PATH);
    const start = new Uint8Array(4);
    file.readSync(start);
    if (String.fromCharCode(...start) !== "\x7fELF") return "it is not a program";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const X_OK = 1;
  return libc.access(cString(OWN_PATH), X_OK) === 0 ? undefined : "it may not be executed";
}

/** Executes what is now installed in our place, as we were called. Throws SystemError. */
export function replaceSelf(): never {
  leaveLostDirectory();
  const called = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1);
  const argv = cStringArray(called);
  const envp = cStringArray(Object.entries(Deno.env.toObject()).map(([n, v]) => `${n}=${v}`));
  libc.execve(cString(OWN_PATH), argv.array, envp.array);
  throw new SystemError(`execve ${OWN_PATH}`, lastErrno());
}

/** The runtime cannot start in a directory that has been removed. */
function leaveLostDirectory(): void {
  try {
    Deno.cwd();
  } catch {
    Deno.chdir("/");
  }
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
