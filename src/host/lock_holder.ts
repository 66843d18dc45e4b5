/**
 * Who holds a lock of `lock.ts`. To ask changes nothing: no file is made or written, and the lock is
 * shared with whoever else asks for no longer than the question takes; one that starts waits for that.
 */

import { cString, errno, lastErrno, libc, must, O_CLOEXEC, SystemError } from "./libc.ts";

const O_RDONLY = 0;
const LOCK_SH_NB = 1 | 4, LOCK_UN = 8;

/** How it is told what another does, and what else could be done. */
export interface LockText {
  readonly holds: string;
  readonly instead: string;
}

export class Locked extends Error {
  constructor(readonly path: string, readonly pid: string, { holds, instead }: LockText) {
    super(`another supervisor, pid ${pid}, ${holds}; stop it first (kill ${pid}), or ${instead}`);
    this.name = "Locked";
  }
}

/** Of the lock of a state directory. */
export function lockText(path: string): LockText {
  return { holds: `holds ${path}`, instead: "use another state directory" };
}

/** Throws Locked when another holds it, SystemError. */
export function refuseHeld(path: string): void {
  const fd = libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return refuseUnopened(path, lastErrno());
  try {
    if (isHeldAlone(path, fd)) throw new Locked(path, holderOf(path), lockText(path));
  } finally {
    libc.close(fd);
  }
}

/** Who may not open it can still see whom the kernel names. */
function refuseUnopened(path: string, code: number): void {
  if (code === errno.ENOENT) return;
  if (code !== errno.EACCES) throw new SystemError(`open ${path}`, code);
  const pid = kernelsWord(path);
  if (pid !== undefined) throw new Locked(path, pid, lockText(path));
}

/** Whether somebody holds it for himself, not only to ask. Throws SystemError. */
export function isHeldAlone(path: string, fd: number): boolean {
  if (libc.flock(fd, LOCK_SH_NB) === 0) {
    must(`flock ${path}`, libc.flock(fd, LOCK_UN));
    return false;
  }
  const code = lastErrno();
  if (code !== errno.EAGAIN) throw new SystemError(`flock ${path}`, code);
  return true;
}

/** The kernel's word first: one that has just taken it may not have signed yet, and the file names the one before. */
export function holderOf(path: string): string {
  return kernelsWord(path) ?? signature(path) ?? "unknown";
}

/** By proc_locks(5), which does not tell of holders outside our pid namespace. */
function kernelsWord(path: string): string | undefined {
  const { dev, ino } = Deno.statSync(path);
  const hex = (n: number) => n.toString(16).padStart(2, "0");
  const device = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}`;
  const held = new RegExp(` FLOCK +ADVISORY +WRITE (\\d+) ${device}:${ino} `);
  return held.exec(Deno.readTextFileSync("/proc/locks"))?.[1];
}

function signature(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim() || undefined;
  } catch {
    return undefined;
  }
}
