/** A lock for one supervisor, as of a state directory: flock(2), which ends with its holder. */

import {
  cString,
  errno,
  lastErrno,
  libc,
  must,
  O_CLOEXEC,
  O_CREAT,
  O_RDWR,
  SystemError,
} from "./libc.ts";
import { holderOf, isHeldAlone, Locked, lockText } from "./lock_holder.ts";

const LOCK_EX_NB = 2 | 4;
/** Who only asks for the holder has it for an instant, unless he is stopped in it. */
const PATIENCE_MS = 10_000, PAUSE_MS = 2;

export interface Lock {
  /** Whether its file is still the one at its path: who finds none there would take another. */
  isInPlace(): boolean;
  release(): void;
}

/**
 * Held until the process ends or executes another program. `patienceMs`: how long those are waited for
 * who only ask. Throws Locked, SystemError.
 */
export function takeLock(path: string, text = lockText(path), patienceMs = PATIENCE_MS): Lock {
  const fd = must(`open ${path}`, libc.open(cString(path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600));
  try {
    waitFor(path, fd, patienceMs, () => new Locked(path, holderOf(path), text));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  // Written through the path: the descriptor's file is this one, and nobody else may write it now.
  try {
    Deno.writeTextFileSync(path, `${Deno.pid}\n`);
  } catch {
    // On a full disk the lock holds all the same; only its pid cannot be told to others.
  }
  return { isInPlace: () => isAt(path, fd), release: () => void libc.close(fd) };
}

function isAt(path: string, fd: number): boolean {
  try {
    const [there, ours] = [Deno.statSync(path), Deno.statSync(`/proc/self/fd/${fd}`)];
    return there.dev === ours.dev && there.ino === ours.ino;
  } catch {
    return false;
  }
}

/** For those who only ask, never for a holder. */
function waitFor(path: string, fd: number, patienceMs: number, locked: () => Locked): void {
  const patience = performance.now() + patienceMs;
  while (libc.flock(fd, LOCK_EX_NB) !== 0) {
    const code = lastErrno();
    if (code !== errno.EAGAIN) throw new SystemError(`flock ${path}`, code);
    if (isHeldAlone(path, fd) || performance.now() >= patience) throw locked();
    pause();
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
}
