/** Runs a short program and waits for it, while nothing else of this process runs. */

import { cString, cStringArray, errno, errorText, lastErrno, libc } from "./libc.ts";

/** Returns the wait status; -1 when it is lost. Throws an Error when it cannot be executed. */
export function runToEnd(path: string, words: readonly string[]): number {
  const pid = new Int32Array(1), status = new Int32Array(1);
  const argv = cStringArray(words), envp = cStringArray([]);
  const pidBytes = new Uint8Array(pid.buffer);
  const code = libc.posix_spawn(pidBytes, cString(path), null, null, argv.array, envp.array);
  // The strings must outlive the call: these uses keep them.
  if (argv.keep.length + envp.keep.length === 0 || code !== 0) {
    throw new Error(`cannot start ${path}: ${errorText(code)}`);
  }
  while (libc.waitpid(pid[0]!, new Uint8Array(status.buffer), 0) < 0) {
    if (lastErrno() !== errno.EINTR) return -1;
  }
  return status[0]!;
}
