/** posix_spawn(3): a program in a process of its own, the first step of everything that is started. */

import { bytesOf, cString, cStringArray, errno, lastErrno, libc } from "./libc.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** As spawn file actions and attributes are made; none leaves the child as we are. */
export interface SpawnOptions {
  readonly actions?: Bytes;
  readonly attributes?: Bytes;
}

/** `environment`: NAME=VALUE. Returns the pid, or the number of an error (errno(3)) below zero. */
export function posixSpawn(
  path: string,
  words: readonly string[],
  environment: readonly string[],
  options: SpawnOptions = {},
): number {
  const call = new SpawnCall(path, words, environment, options);
  return call.result(libc.posix_spawn(...call.parameters));
}

/** The same on another thread, since it takes as long as the program takes to be executed. */
export async function posixSpawnAside(
  path: string,
  words: readonly string[],
  environment: readonly string[],
  options: SpawnOptions = {},
): Promise<number> {
  const call = new SpawnCall(path, words, environment, options);
  return call.result(await libc.posix_spawn_aside(...call.parameters));
}

/** Memory that must live as long as the call. */
class SpawnCall {
  readonly #pid = new Int32Array(1);
  readonly #argv;
  readonly #envp;
  readonly parameters;

  constructor(
    path: string,
    words: readonly string[],
    environment: readonly string[],
    { actions, attributes }: SpawnOptions,
  ) {
    const argv = this.#argv = cStringArray(words), envp = this.#envp = cStringArray(environment);
    this.parameters = [
      bytesOf(this.#pid),
      cString(path),
      actions ?? null,
      attributes ?? null,
      argv.array,
      envp.array,
    ] as const;
  }

  result(code: number): number {
    // The strings must outlive the call: these uses keep them.
    const isKept = this.#argv.keep.length + this.#envp.keep.length > 0;
    return isKept && code === 0 ? this.#pid[0]! : -code;
  }
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
