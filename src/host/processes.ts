/**
 * The real processes: looks at, signals, watches and reaps. A pid is signalled only
 * through a pidfd that was opened before its identity was checked, so a signal reaches the recorded
 * process or nobody.
 */

import type { ExitStatus } from "../job/exit_status.ts";
import { fromWaitStatus } from "../job/exit_status.ts";
import { type Check, checkIdentity, type ProcessIdentity } from "../job/identity.ts";
import type { Living, Processes, ProcessHandle, Reaped } from "../ports.ts";
import { descendantsOf, killChildren } from "./children.ts";
import { bytesOf, errno, lastErrno, libc, must, SystemError } from "./libc.ts";
import { openPidfd, PIDFD_SIGNAL_PROCESS_GROUP, sendByPidfd } from "./pidfd.ts";
import { describe, livingProcesses, observe, readGround, zombieStatus } from "./proc.ts";
import { type Reactor, READABLE } from "./reactor.ts";

/** _IOWR(0xFF, 11, struct pidfd_info) of 64 bytes, include/uapi/linux/pidfd.h, Linux 6.13. */
const PIDFD_GET_INFO = 0xc040ff0bn;
/** Linux 6.15. */
const PIDFD_INFO_EXIT = 1n << 3n;
const EXIT_STATUS_AT = 60;
const WNOHANG = 1;
const PR_SET_CHILD_SUBREAPER = 36;

export class HostProcesses implements Processes {
  readonly ground = readGround();

  /** Without a reactor no end is told: as for a dry run. */
  constructor(private readonly reactor?: Reactor) {}

  observe = observe;
  describe = describe;
  reap = reap;
  descendants = descendantsOf;
  killChildren = killChildren;

  living(): Living[] {
    return livingProcesses();
  }

  open(identity: ProcessIdentity): ProcessHandle | Exclude<Check, "match"> {
    const fd = openPidfd(identity.pid);
    if (fd === undefined) return "mismatch";
    const check = checkIdentity(identity, observe(identity.pid));
    if (check === "match") return new PidfdHandle(fd, identity, this.reactor);
    libc.close(fd);
    return check;
  }
}

class PidfdHandle implements ProcessHandle {
  constructor(
    private readonly fd: number,
    readonly identity: ProcessIdentity,
    private readonly reactor?: Reactor,
  ) {}

  signal(signal: number): boolean {
    return sendByPidfd(this.fd, signal) === 0 || endedElseThrow("pidfd_send_signal");
  }

  signalGroup(signal: number): boolean {
    return this.#signalLedGroup(signal) || this.signal(signal);
  }

  holdsItsPid(): boolean {
    return sendByPidfd(this.fd, 0, PIDFD_SIGNAL_PROCESS_GROUP) === 0 || lastErrno() !== errno.ESRCH;
  }

  #signalLedGroup(signal: number): boolean {
    if (sendByPidfd(this.fd, signal, PIDFD_SIGNAL_PROCESS_GROUP) === 0) return true;
    if (lastErrno() !== errno.EINVAL) return endedElseThrow("pidfd_send_signal");
    // Before Linux 6.9. While the leader is there its pid names the group and nothing else.
    if (checkIdentity(this.identity, observe(this.identity.pid)) !== "match") return false;
    return libc.kill(-this.identity.pid, signal) === 0 || endedElseThrow("kill");
  }

  exitStatus(): ExitStatus | undefined {
    // The kernel tells it through a pidfd only of what has been reaped: until then /proc does.
    const status = this.#toldStatus() ?? zombieStatus(this.identity) ?? this.#toldStatus();
    return status === undefined ? undefined : fromWaitStatus(status);
  }

  #toldStatus(): number | undefined {
    const info = new DataView(new ArrayBuffer(64));
    info.setBigUint64(0, PIDFD_INFO_EXIT, true);
    if (libc.ioctl(this.fd, PIDFD_GET_INFO, new Uint8Array(info.buffer)) < 0) return undefined;
    if (!(info.getBigUint64(0, true) & PIDFD_INFO_EXIT)) return undefined;
    return info.getInt32(EXIT_STATUS_AT, true);
  }

  /** A pidfd is readable once its process has ended (pidfd_open(2)). */
  whenEnded(go: () => void): void {
    this.reactor?.add(this.fd, READABLE, () => {
      this.reactor?.remove(this.fd);
      go();
    });
  }

  close(): void {
    this.reactor?.remove(this.fd);
    libc.close(this.fd);
  }
}

/** Orphans of our descendants become our children, to be found and reaped (prctl(2)). */
export function becomeSubreaper(): void {
  must("prctl", libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n));
}

/**
 * Reaps every ended child. The runtime waits for no child of its own in this process, since the
 * supervisor starts processes by posix_spawn alone; so waiting for any child steals nothing.
 */
function reap(): Reaped[] {
  const status = new Int32Array(1);
  const bytes = bytesOf(status);
  const reaped: Reaped[] = [];
  for (;;) {
    const pid = libc.waitpid(-1, bytes, WNOHANG);
    if (pid <= 0) return reaped;
    reaped.push({ pid, exit: fromWaitStatus(status[0]!) });
  }
}

function endedElseThrow(call: string): false {
  const code = lastErrno();
  if (code === errno.ESRCH) return false;
  throw new SystemError(call, code);
}
