/**
 * The right to listen at a path: a lock beside it, which makes one supervisor of all that start at
 * once, and the look whether somebody who knows no lock answers there. Ends with the process.
 */

import { errno, lastErrno, libc, must, SystemError } from "./libc.ts";
import { type Lock, takeLock } from "./lock.ts";
import { addressOf, newSocket, peerOf } from "./unix_socket.ts";

const INSTEAD = "give this one another --runtime-dir";

/** The path is another's. */
export class SocketTaken extends Error {
  override name = "SocketTaken";
}

export class SocketClaim {
  #lock?: Lock;

  constructor(readonly path: string) {}

  /** What a dead supervisor has left may be replaced. Throws Locked, SocketTaken, SystemError. */
  take(): void {
    this.#lock = lock(this.path);
    this.refuseOthers();
  }

  isHeld(): boolean {
    return this.#lock?.isInPlace() ?? false;
  }

  /** The lock, if its file is gone; waits for nobody. Throws Locked, SystemError. */
  takeAgain(): void {
    if (this.isHeld()) return;
    const again = lock(this.path, 0);
    this.#lock?.release();
    this.#lock = again;
  }

  /** Throws SocketTaken when the path is another's, SystemError. */
  refuseOthers(): void {
    refuseOthers(this.path);
  }
}

function lock(path: string, patienceMs?: number): Lock {
  return takeLock(`${path}.lock`, { holds: `listens at ${path}`, instead: INSTEAD }, patienceMs);
}

function refuseOthers(path: string): void {
  if (isAbsent(path)) return;
  const fd = must("socket", newSocket());
  try {
    const address = addressOf(path);
    if (libc.connect(fd, address, address.length) === 0) {
      const { pid } = peerOf(fd);
      throw taken(`another program, pid ${pid}, answers at ${path}; stop it first`);
    }
    const code = lastErrno();
    // Nobody listens; and a full backlog is an answer too.
    if (code === errno.ECONNREFUSED || code === errno.ENOENT) return;
    if (code === errno.EAGAIN) throw taken(`another program answers at ${path}; stop it first`);
    throw new SystemError(`connect ${path}`, code);
  } finally {
    libc.close(fd);
  }
}

function isAbsent(path: string): boolean {
  try {
    if (Deno.lstatSync(path).isSocket) return false;
    throw taken(`${path} is not a socket; move it away`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function taken(what: string): SocketTaken {
  return new SocketTaken(`${what}, or ${INSTEAD}`);
}
