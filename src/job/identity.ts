/**
 * Who a process is. A pid alone names nobody: pids are reused, and mean something else in another
 * boot or pid namespace. Identities are recorded once and never derived again.
 */

/** Where a pid means something. */
export interface Ground {
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
  /** Inode of the pid namespace and start time of its pid 1, since inodes are reused. */
  readonly pidNamespace: string;
}

/** Of attempts of which nobody knows where they ran: no pid of theirs counts. */
export const UNKNOWN_GROUND: Ground = { bootId: "unknown", pidNamespace: "unknown" };

/** USER_HZ: what /proc counts in, 100 on every Linux that the runtime supports (proc(5), times(2)). */
export const MS_PER_TICK = 10;

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, in ticks since boot. */
  readonly startTicks: number;
}

/** What /proc says of a pid now. */
export type Observed =
  | {
    readonly kind: "present";
    readonly startTicks: number;
    readonly zombie: boolean;
    /** What a leader is about that has not executed its command yet, in words. */
    readonly startStep?: string;
  }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly cause: string };

/**
 * match: it is the recorded process and it runs; mismatch: gone, a zombie, or a stranger under its
 * pid, never to be signalled; unverifiable: nobody can say, so nothing is touched.
 */
export type Check = "match" | "mismatch" | "unverifiable";

export function checkIdentity(recorded: ProcessIdentity, observed: Observed): Check {
  switch (observed.kind) {
    case "absent":
      return "mismatch";
    case "unreadable":
      return "unverifiable";
    case "present":
      return observed.startTicks === recorded.startTicks && !observed.zombie ? "match" : "mismatch";
  }
}

export function sameGround(a: Ground, b: Ground): boolean {
  return a.bootId === b.bootId && a.pidNamespace === b.pidNamespace;
}
