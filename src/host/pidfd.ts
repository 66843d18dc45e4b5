/** Pidfds: who is held by one cannot become another (pidfd_open(2), pidfd_send_signal(2)). */

import { errno, lastErrno, libc, SystemError } from "./libc.ts";

const SYS_pidfd_send_signal = 424n;
const SYS_pidfd_open = 434n;
/** Linux 6.9. */
export const PIDFD_SIGNAL_PROCESS_GROUP = 4n;

/** Undefined when there is no such process. Throws SystemError. */
export function openPidfd(pid: number): number | undefined {
  const fd = Number(libc.syscall(SYS_pidfd_open, BigInt(pid), 0n, 0n, 0n));
  if (fd >= 0) return fd;
  const code = lastErrno();
  if (code === errno.ESRCH || code === errno.EINVAL) return undefined;
  throw new SystemError("pidfd_open", code);
}

/** 0, or -1 with errno. */
export function sendByPidfd(fd: number, signal: number, flags = 0n): number {
  return Number(libc.syscall(SYS_pidfd_send_signal, BigInt(fd), BigInt(signal), 0n, flags));
}
