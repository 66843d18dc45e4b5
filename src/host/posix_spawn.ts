/** posix_spawn(3): a program in a process of its own, the first step of everything that is started. */

import { bytesOf, cString, cStringArray, errno, lastErrno, libc } from "./libc.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** As spawn_options.ts makes them; none leaves the child as we are. */
export interface SpawnOptions {
  readonly actions?: Bytes;
  readonly attributes?: Bytes;
}

/** `environment`: NAME=VALUE. Returns the pid, or the number of an error (errno(3)) below zero. */
export function posixSpawn(
  path: string,
  words: readonly string[],
  environment: readonly string[],
  { actions, attributes }: SpawnOptions = {},
): number {
  const pid = new Int32Array(1);
  const argv = cStringArray(words), envp = cStringArray(environment);
  const code = libc.posix_spawn(
    bytesOf(pid),
    cString(path),
    actions ?? null,
    attributes ?? null,
    argv.array,
    envp.array,
  );
  // The strings must outlive the call: these uses keep them.
  const isKept = argv.keep.length + envp.keep.length > 0;
  return isKept && code === 0 ? pid[0]! : -code;
}

/**
 * Runs a short program and waits for it, while nothing else of this process runs. Returns the wait
 * status; -1 when it could not be started, or its status is lost.
 */
export function runToEnd(path: string, words: readonly string[]): number {
  const pid = posixSpawn(path, words, []);
  if (pid < 0) return -1;
  const status = new Int32Array(1);
  while (libc.waitpid(pid, bytesOf(status), 0) < 0) if (lastErrno() !== errno.EINTR) return -1;
  return status[0]!;
}
