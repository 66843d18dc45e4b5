/**
 * Tries a program that is to take our place: it is run, and must say that it is Holdfast. So one that
 * is missing, damaged, for another machine or short of its libraries is known before anything is given
 * up for it. Its end is told by a pidfd, and it is reaped as every other child is.
 */

import {
  bytesOf,
  cString,
  cStringArray,
  errorText,
  libc,
  must,
  O_CLOEXEC,
  O_NONBLOCK,
} from "./libc.ts";
import { observe } from "./proc.ts";
import type { HostProcesses } from "./processes.ts";
import { fileActions, spawnAttributes } from "./spawn.ts";

const PATIENCE_MS = 10_000;
const SIGKILL = 9;
const READ_BYTES = 4096;

/** What stands against executing it; undefined when it is Holdfast and runs here. */
export async function tryProgram(
  path: string,
  processes: HostProcesses,
): Promise<string | undefined> {
  const ends = new Int32Array(2);
  must("pipe2", libc.pipe2(bytesOf(ends), O_CLOEXEC | O_NONBLOCK));
  const [output, input] = [ends[0]!, ends[1]!];
  try {
    const { pid, refused } = start(path, input);
    libc.close(input);
    if (refused !== undefined) return `it cannot be executed: ${refused}`;
    const isInTime = await ended(pid, processes);
    if (!isInTime) return `it has not said within ${PATIENCE_MS / 1000} s what it is`;
    const said = firstLine(output);
    if (said.startsWith("holdfast ")) return undefined;
    return said === "" ? "it does not say what it is" : `it is not Holdfast, but says: ${said}`;
  } finally {
    libc.close(output);
  }
}

/** It begins in a directory that is always there. */
function start(path: string, output: number): { pid: number; refused?: string } {
  const argv = cStringArray([path, "--version"]);
  const envp = cStringArray(Object.entries(Deno.env.toObject()).map(([n, v]) => `${n}=${v}`));
  const pid = new Int32Array(1);
  const code = libc.posix_spawn(
    bytesOf(pid),
    cString(path),
    fileActions("/", output),
    spawnAttributes(),
    argv.array,
    envp.array,
  );
  // The strings must outlive the call: these uses keep them.
  const isStarted = argv.keep.length + envp.keep.length > 0 && code === 0;
  return isStarted ? { pid: pid[0]! } : { pid: 0, refused: errorText(code) };
}

/** Whether it ends by itself before our patience does. */
function ended(pid: number, processes: HostProcesses): Promise<boolean> {
  const seen = observe(pid);
  if (seen.kind !== "present") return Promise.resolve(true);
  const handle = processes.open({ pid, startTicks: seen.startTicks });
  if (typeof handle === "string") return Promise.resolve(true);
  return new Promise((resolve) => {
    const finish = (isInTime: boolean) => {
      clearTimeout(timer);
      handle.close();
      resolve(isInTime);
    };
    const timer = setTimeout(() => {
      handle.signal(SIGKILL);
      finish(false);
    }, PATIENCE_MS);
    handle.whenEnded(() => finish(true));
  });
}

function firstLine(fd: number): string {
  const buffer = new Uint8Array(READ_BYTES);
  const count = Number(libc.read(fd, buffer, BigInt(buffer.length)));
  return new TextDecoder().decode(buffer.subarray(0, Math.max(0, count))).split("\n")[0]!.trim();
}
