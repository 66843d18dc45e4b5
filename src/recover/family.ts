/**
 * Finds every process of a job: what descends from its shim, which nobody leaves while that lives; those
 * that carry its token in their environment, wherever they went; and those in its session or process
 * group. Strangers are never among them.
 */

import type { ProcessIdentity } from "../job/identity.ts";
import type { StartedJob } from "../job/job.ts";
import type { Cgroups, Living } from "../ports.ts";

export interface FamilyName {
  readonly token: string;
  readonly shim?: ProcessIdentity;
  /**
   * Only where this supervisor has seen it alive and its pid is still its own: else the number of its
   * session can have become a stranger's.
   */
  readonly leader?: ProcessIdentity;
}

/**
 * The members among what lives, without the shim; undefined when none was seen but one may have been
 * missed: it was just becoming another program, or a living shim has not said that nobody is left.
 */
export function familyOf(
  name: FamilyName,
  living: readonly Living[],
): ProcessIdentity[] | undefined {
  const { leader, shim, token } = name;
  const reused = leader !== undefined &&
    living.some((p) => p.pid === leader.pid && p.startTicks !== leader.startTicks);
  const within = (p: Living) =>
    leader !== undefined && !reused && (p.token === undefined || p.pid === leader.pid) &&
    (p.session === leader.pid || p.group === leader.pid) && p.startTicks >= leader.startTicks;
  const isShim = (p: Living) => p.pid === shim?.pid && p.startTicks === shim.startTicks;
  const isShimThere = living.some(isShim);
  const descendants = isShimThere ? descendantsOf(shim!.pid, living) : new Set<Living>();
  const others = living.filter((p) => !isShim(p));
  const members = others.filter((p) => descendants.has(p) || p.token === token || within(p));
  const since = shim?.startTicks ?? leader?.startTicks ?? 0;
  const isDoubtful = members.length === 0 &&
    (isShimThere || others.some((p) => p.isBecoming && p.startTicks >= since));
  return isDoubtful ? undefined : members.map(({ pid, startTicks }) => ({ pid, startTicks }));
}

function descendantsOf(pid: number, living: readonly Living[]): Set<Living> {
  const children = Map.groupBy(living, ({ parent }) => parent);
  const found = new Set<Living>();
  const collect = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      collect(child.pid);
    }
  };
  collect(pid);
  return found;
}

/**
 * Where a job's cgroup is, if it has one. Of an attempt that the journal does not know of, as one that
 * is older or was made anew, it is where it would be.
 */
export function cgroupOf({ id, attempt }: StartedJob, cgroups?: Cgroups): string | undefined {
  return attempt.cgroup ?? cgroups?.directoryOf(id, attempt.token);
}

/** Who carries a token and leads a session of its own: the shim of an attempt that left no name. */
export function shimAmong(token: string, living: readonly Living[]): ProcessIdentity | undefined {
  const shim = living.find((p) => p.token === token && p.session === p.pid);
  return shim && { pid: shim.pid, startTicks: shim.startTicks };
}
