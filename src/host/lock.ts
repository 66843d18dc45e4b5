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

const LOCK_EX_NB = 2 | 4;

/** How it is told what another does, and what else could be done. */
interface LockText {
  readonly holds: string;
  readonly instead: string;
}

export class Locked extends Error {
  constructor(readonly path: string, readonly pid: string, { holds, instead }: LockText) {
    super(`another supervisor, pid ${pid}, ${holds}; stop it first (kill ${pid}), or ${instead}`);
    this.name = "Locked";
  }
}

/** Held until the process ends or executes another program. Throws Locked, SystemError. */
export function takeLock(
  path: string,
  text: LockText = { holds: `holds ${path}`, instead: "use another state directory" },
): void {
  const fd = must(`open ${path}`, libc.open(cString(path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600));
  if (libc.flock(fd, LOCK_EX_NB) !== 0) {
    const code = lastErrno();
    libc.close(fd);
    if (code !== errno.EAGAIN) throw new SystemError(`flock ${path}`, code);
    throw new Locked(path, holderOf(path), text);
  }
  // Written through the path: the descriptor's file is this one, and nobody else may write it now.
  try {
    Deno.writeTextFileSync(path, `${Deno.pid}\n`);
  } catch {
    // On a full disk the lock holds all the same; only its pid cannot be told to others.
  }
}

/**
 * The kernel's word first (proc_locks(5)): one that has just taken the lock may not have signed yet,
 * and the file names the one before. It does not tell of holders outside our pid namespace.
 */
function holderOf(path: string): string {
  const { dev, ino } = Deno.statSync(path);
  const hex = (n: number) => n.toString(16).padStart(2, "0");
  const device = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}`;
  const held = new RegExp(` FLOCK +ADVISORY +WRITE (\\d+) ${device}:${ino} `);
  const named = held.exec(Deno.readTextFileSync("/proc/locks"))?.[1];
  return named ?? (Deno.readTextFileSync(path).trim() || "unknown");
}
