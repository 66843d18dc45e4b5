/**
 * Gathers what runs/, exits/ and /proc tell of jobs without the journal. It changes nothing and
 * signals nobody. A pid from a file counts only while a process with that start time carries the
 * token of the claim: the files do not say in which boot and pid namespace they were written.
 */

import type { ProcessIdentity } from "../job/identity.ts";
import { isId } from "../store/columns.ts";
import type { Claim, JobProcess, RunRecords } from "../ports.ts";
import { type ClaimedAttempt, isNamedShim, type Remains } from "./plan_remains.ts";

interface Signed {
  readonly attempt: ClaimedAttempt;
  readonly shim?: ProcessIdentity;
}

/** Of every job for which there is anything and that `isWanted`, in the order of ids. */
export function gatherRemains(
  files: RunRecords,
  processes: readonly JobProcess[],
  isWanted: (id: number) => boolean = () => true,
): Map<number, Remains> {
  const byJob = Map.groupBy(processes, ({ job }) => job);
  const runs = new Set(files.runIds());
  const ids = new Set([...runs, ...files.exitIds(), ...byJob.keys()]);
  const look = (id: number): [number, Remains] => {
    const base = { id, hasDirectory: runs.has(id), processes: byJob.get(id) ?? [] };
    try {
      return [id, { ...base, ...lookAtFiles(files, base) }];
    } catch (error) {
      const unreadable = error instanceof Error ? error.message : String(error);
      return [id, { ...base, isAlive: false, unreadable }];
    }
  };
  const wanted = [...ids].filter((id) => isId(id) && isWanted(id));
  return new Map(wanted.sort((a, b) => a - b).map(look));
}

type Base = Pick<Remains, "id" | "hasDirectory" | "processes">;

function lookAtFiles(files: RunRecords, { id, hasDirectory, processes }: Base) {
  const signed = hasDirectory ? lastClaimed(files, id, processes) : undefined;
  const living = (who: ProcessIdentity | undefined) =>
    processes.find((process) =>
      process.pid === who?.pid && process.startTicks === who.startTicks &&
      process.token === signed?.attempt.token
    );
  const shim = living(signed?.shim);
  const leader = signed && living(files.leader(id));
  return {
    claimed: signed?.attempt,
    exitAtMs: files.exitRecord(id)?.atMs,
    isAlive: shim !== undefined || leader !== undefined,
    shim,
    leader: leader && isNamedShim(leader) ? undefined : leader,
  };
}

function lastClaimed(
  files: RunRecords,
  id: number,
  processes: readonly JobProcess[],
): Signed | undefined {
  let last: { number: number; claim: Claim } | undefined;
  for (let number = 1;; number++) {
    const claim = files.claim(id, number);
    if (!claim) break;
    if (claim.kind !== "fence") last = { number, claim };
  }
  if (!last) return undefined;
  const { number, claim } = last;
  const atMs = files.claimedAtMs(id, number) ?? 0;
  if (claim.kind === "signed") {
    return { attempt: { number, token: claim.token, atMs }, shim: claim.shim };
  }
  const shim = processes.find((process) => process.pid === process.session && isNamedShim(process));
  return { attempt: { number, token: shim?.token, atMs }, shim };
}
