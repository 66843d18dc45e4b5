/**
 * Tries a program that is to take our place: it is run as it will be, and asked what it thinks of what
 * it finds. So one that is missing, damaged, for another machine or short of its libraries, and one
 * that refuses its configuration, is known before anything is given up for it. Its end is told by a
 * pidfd, and it is reaped as every other child is.
 */

import { bytesOf, errorText, libc, must, O_CLOEXEC, O_NONBLOCK } from "./libc.ts";
import { posixSpawn } from "./posix_spawn.ts";
import { observe } from "./proc.ts";
import type { HostProcesses } from "./processes.ts";
import type { Execution } from "./replace.ts";
import { fileActions, spawnAttributes } from "./spawn_options.ts";

const PATIENCE_MS = 10_000;
const SIGKILL = 9;
const READ_BYTES = 4096;
const COMPLAINT = "holdfast: ";

/**
 * What stands against executing `path` as `own` says. `question` is the word that makes it check what
 * it finds and end; undefined is returned when it is Holdfast, runs here and finds all right.
 */
export async function tryProgram(
  path: string,
  own: Execution,
  question: string,
  processes: HostProcesses,
): Promise<string | undefined> {
  const ends = new Int32Array(2);
  must("pipe2", libc.pipe2(bytesOf(ends), O_CLOEXEC | O_NONBLOCK));
  const [output, input] = [ends[0]!, ends[1]!];
  try {
    const { pid, refused } = start(path, { ...own, argv: [...own.argv, question] }, input);
    libc.close(input);
    if (refused !== undefined) return `it cannot be executed: ${refused}`;
    const isInTime = await ended(pid, processes);
    if (!isInTime) return `it has not answered within ${PATIENCE_MS / 1000} s`;
    return judge(read(output));
  } finally {
    libc.close(output);
  }
}

/** Others, as the loader, may have said something before it. */
function judge(said: string): string | undefined {
  const lines = said.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const complaint = lines.find((line) => line.startsWith(COMPLAINT));
  if (complaint) return `it would not start: ${complaint.slice(COMPLAINT.length)}`;
  if (lines.some((line) => line.startsWith("holdfast "))) return undefined;
  return lines.length === 0 ? "it says nothing" : `it is not Holdfast, but says: ${lines[0]}`;
}

function start(path: string, { argv, environment, directory }: Execution, output: number) {
  const actions = fileActions(directory, { output });
  const pid = posixSpawn(path, argv, environment, { actions, attributes: spawnAttributes() });
  return { pid, refused: pid < 0 ? errorText(-pid) : undefined };
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

function read(fd: number): string {
  const buffer = new Uint8Array(READ_BYTES);
  const count = Number(libc.read(fd, buffer, BigInt(buffer.length)));
  return new TextDecoder().decode(buffer.subarray(0, Math.max(0, count)));
}
