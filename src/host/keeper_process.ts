/**
 * Executes the keeper: from memory, or where the kernel forbids that (vm.memfd_noexec) from a file of the
 * state directory that has no name any more. It stands in the state directory, in a session of its own,
 * and has nothing of us but its end of a socket.
 */

import {
  bytesOf,
  cString,
  errno,
  errorText,
  lastErrno,
  libc,
  must,
  O_CLOEXEC,
  O_NONBLOCK,
  SystemError,
} from "./libc.ts";
import { openPidfd } from "./pidfd.ts";
import { posixSpawn } from "./posix_spawn.ts";
import { fileActions, FIRST_DESCRIPTOR, spawnAttributes } from "./spawn_options.ts";
import { AF_UNIX, SOCK_SEQPACKET } from "./unix_socket.ts";

const MFD_CLOEXEC = 1, MFD_EXEC = 16;
const F_DUPFD_CLOEXEC = 1030, F_SETFL = 4;
const O_RDONLY = 0;
/** Beyond the descriptors that the keeper gets. */
const ASIDE = 10;
/** In the state directory, for as long as it is written. */
const FILE_NAME = "keeper.new";
/** Where its shims write `holdfast-shim ID`, and a job's id and token: at least what these need. */
const ARGUMENTS = ["holdfast-keeper", " ".repeat(24)];
const ENVIRONMENT = [`ROOM=${" ".repeat(128)}`];

export interface KeeperProcess {
  readonly pid: number;
  readonly pidfd: number;
  /** Non-blocking. */
  readonly socket: number;
}

/** Throws an Error that says what to change. */
export function executeKeeper(
  program: Uint8Array<ArrayBuffer>,
  stateDirectory: string,
): KeeperProcess {
  const [ours, its] = keeperSockets();
  try {
    const pid = execute(program, stateDirectory, its);
    // It is our child, and not reaped yet.
    return { pid, pidfd: openPidfd(pid)!, socket: ours };
  } catch (error) {
    libc.close(ours);
    throw error;
  } finally {
    libc.close(its);
  }
}

function keeperSockets(): [ours: number, its: number] {
  const ends = new Int32Array(2);
  must("socketpair", libc.socketpair(AF_UNIX, SOCK_SEQPACKET | O_CLOEXEC, 0, bytesOf(ends)));
  must("fcntl", libc.fcntl(ends[0]!, F_SETFL, BigInt(O_NONBLOCK)));
  return [ends[0]!, ends[1]!];
}

function execute(program: Uint8Array<ArrayBuffer>, directory: string, socket: number): number {
  const inMemory = fromMemory(program);
  const first = inMemory < 0 ? inMemory : spawn(inMemory, directory, socket);
  if (first > 0) return first;
  const inFile = fromFile(program, directory);
  const second = spawn(inFile, directory, socket);
  if (second > 0) return second;
  throw new Error(
    `the keeper cannot be executed, from memory (${errorText(-first)}) or in ${directory} ` +
      `(${
        errorText(-second)
      }); set vm.memfd_noexec below 2, or mount the state directory without noexec`,
  );
}

/** The pid, or the number of an error below zero. Closes the program. */
function spawn(program: number, directory: string, socket: number): number {
  const given = [socket, program].map((fd) =>
    must("fcntl", libc.fcntl(fd, F_DUPFD_CLOEXEC, BigInt(ASIDE)))
  );
  try {
    const actions = fileActions(directory, { descriptors: given });
    const attributes = spawnAttributes();
    const path = `/proc/self/fd/${FIRST_DESCRIPTOR + 1}`;
    return posixSpawn(path, ARGUMENTS, ENVIRONMENT, { actions, attributes });
  } finally {
    for (const fd of [program, ...given]) libc.close(fd);
  }
}

/** A descriptor, or the number of an error below zero. */
function fromMemory(program: Uint8Array<ArrayBuffer>): number {
  const name = cString("holdfast-keeper");
  let fd = libc.memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
  // Before Linux 6.3 it is executable anyway.
  if (fd < 0 && lastErrno() === errno.EINVAL) fd = libc.memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return -lastErrno();
  const written = Number(libc.write(fd, program, BigInt(program.length)));
  if (written === program.length) return fd;
  libc.close(fd);
  return -errno.ENOMEM;
}

/** Opened for reading, since what is open for writing cannot be executed (execve(2)). */
function fromFile(program: Uint8Array<ArrayBuffer>, directory: string): number {
  const path = `${directory}/${FILE_NAME}`;
  removeIfThere(path);
  Deno.writeFileSync(path, program, { mode: 0o500, createNew: true });
  try {
    const fd = libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) throw new SystemError(`open ${path}`, lastErrno());
    return fd;
  } finally {
    Deno.removeSync(path);
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
