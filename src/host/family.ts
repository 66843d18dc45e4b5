/**
 * Finds every process of a job: those that carry its token in their environment, wherever they went,
 * and those in its session or process group. Strangers are never among them.
 */

import type { ProcessIdentity } from "../job/identity.ts";
import { allProcesses, ownChildren, type ProcStat, tokenOf } from "./proc.ts";

export interface FamilyName {
  readonly token: string;
  readonly shim?: ProcessIdentity;
  /**
   * Only where this supervisor has seen it alive: after a gap the number of its session can have
   * become a stranger's.
   */
  readonly leader?: ProcessIdentity;
}

interface Seen extends ProcStat {
  readonly token?: string;
}

/** One look at all processes, to be asked for many families. */
export class ProcessTable {
  #processes: Seen[] = [];

  constructor() {
    for (const stat of allProcesses()) {
      if (stat.pid === Deno.pid || stat.state === "Z" || stat.state === "X") continue;
      this.#processes.push({ ...stat, token: tokenOf(stat.pid) });
    }
  }

  /** The members that were alive, without the shim. */
  family(name: FamilyName): ProcessIdentity[] {
    const { leader, shim, token } = name;
    const reused = leader !== undefined &&
      this.#processes.some((p) => p.pid === leader.pid && p.startTicks !== leader.startTicks);
    const within = (p: Seen) =>
      leader !== undefined && !reused && (p.token === undefined || p.pid === leader.pid) &&
      (p.session === leader.pid || p.group === leader.pid) && p.startTicks >= leader.startTicks;
    return this.#processes
      .filter((p) => p.pid !== shim?.pid || p.startTicks !== shim.startTicks)
      .filter((p) => p.token === token || within(p))
      .map(({ pid, startTicks }) => ({ pid, startTicks }));
  }

  /** Who carries a token and leads a session of its own: the shim of an attempt that left no name. */
  shimOf(token: string): ProcessIdentity | undefined {
    const shim = this.#processes.find((p) => p.token === token && p.session === p.pid);
    return shim && { pid: shim.pid, startTicks: shim.startTicks };
  }
}

/**
 * Whether all our children are known: then no process of a job that we started ourselves is left
 * once its leader has ended, for what it left behind would have become our child.
 */
export function onlyKnownChildren(isKnown: (pid: number) => boolean): boolean {
  return ownChildren()?.every(isKnown) ?? false;
}
