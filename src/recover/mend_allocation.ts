/**
 * What of the damaged allocation of a job can be kept, by its claim and its living processes. Where it
 * does not tell any more which processes are the job's, it is of no use, and the claim must tell.
 */

import { type Ground, UNKNOWN_GROUND } from "../job/identity.ts";
import { type Columns, Draft, type Mended } from "./mend.ts";
import { isEnd, isLive, type MendedJob } from "./mend_job.ts";
import { lostToken, type Remains } from "./plan_remains.ts";

export interface MendedAllocation extends Mended {
  /** Whether a started job can go on by it. */
  readonly isOfUse: boolean;
}

/** Where it is looked at. */
export interface Here {
  readonly ground: Ground;
  readonly nodeName: string;
}

/** Undefined where it does not tell whose it is. */
export function mendAllocation(
  columns: Columns,
  job: MendedJob | undefined,
  remains: Remains | undefined,
  here: Here,
): MendedAllocation | undefined {
  const draft = new Draft("resource_allocations", columns);
  const { row } = draft;
  if (row.job_id === undefined) return undefined;
  const state = job?.doubt === undefined ? job?.row.state : undefined;
  draft.put({
    allocated_cpus: job?.spec.cpus ?? row.allocated_cpus ?? 1,
    allocated_memory: job?.spec.memory ?? row.allocated_memory ?? 0,
    node_name: row.node_name ?? here.nodeName,
  });
  const left = isEnd(state) ? undefined : remains;
  const hasToken = mendToken(draft, job, left);
  const isHere = mendGround(draft, left, here.ground);
  const isKnown = mendProcesses(draft, isHere && state === "RUNNING" ? left! : {});
  if (state === "STARTING") draft.put(NO_PROCESSES);
  mendPlace(draft);
  if (isLive(state)) draft.put({ released: 0, released_time: null });
  if (isEnd(state)) {
    draft.put({ released: 1, released_time: row.released_time ?? job!.row.ended_at });
  }
  const hasLeader = row.process_id !== null && (isKnown || left?.claimed === undefined);
  const isOfUse = hasToken && (state !== "RUNNING" || hasLeader);
  return { row, damaged: draft.damaged, isOfUse };
}

/** The claim of the attempt has it too. Returns whether it is known. */
function mendToken(draft: Draft, job: MendedJob | undefined, remains?: Remains): boolean {
  const { row } = draft;
  const { number, token } = remains?.claimed ?? {};
  if (token !== undefined && number === job?.row.attempts) draft.put({ token });
  const isKnown = row.token !== undefined;
  if (!isKnown) draft.put({ token: lostToken(row.job_id) });
  return isKnown;
}

/** What lives here and carries the token of the claim was started here. Returns whether it does. */
function mendGround(draft: Draft, remains: Remains | undefined, here: Ground): boolean {
  const { row } = draft;
  const isHere = remains?.isAlive === true && remains.claimed?.token === row.token;
  const isLost = row.boot_id === undefined || row.pid_namespace === undefined;
  const { bootId, pidNamespace } = isHere ? here : UNKNOWN_GROUND;
  if (isHere || isLost) draft.put({ boot_id: bootId, pid_namespace: pidNamespace });
  return isHere;
}

/** Its CPUs are as many as it asked for, and everything in its cgroup is ended with it. */
function mendPlace(draft: Draft): void {
  const { cpu_set, allocated_cpus } = draft.row;
  if (cpu_set !== null && JSON.parse(cpu_set).length !== allocated_cpus) {
    draft.put({ cpu_set: null });
  }
  if (!isOwnCgroup(draft.row)) draft.put({ cgroup: null });
}

const NO_LEADER = { process_id: null, process_start_ticks: null };
const NO_SHIM = { shim_process_id: null, shim_start_ticks: null };
export const NO_PROCESSES = { ...NO_LEADER, ...NO_SHIM };

/**
 * A pid without its start time names nobody; one that lives is named by its claim and its files.
 * Returns whether all that the row named is known.
 */
function mendProcesses(draft: Draft, { leader, shim }: Pick<Remains, "leader" | "shim">): boolean {
  const { row } = draft;
  const isLeaderLost = draft.isDamaged(...Object.keys(NO_LEADER)) ||
    (row.process_id === null) !== (row.process_start_ticks === null);
  const isShimLost = draft.isDamaged(...Object.keys(NO_SHIM)) ||
    (row.shim_process_id === null) !== (row.shim_start_ticks === null);
  if (leader) draft.put({ process_id: leader.pid, process_start_ticks: leader.startTicks });
  else if (isLeaderLost) draft.put(NO_LEADER);
  const hasShim = isShimLost || row.shim_process_id !== null;
  if (shim && hasShim) draft.put({ shim_process_id: shim.pid, shim_start_ticks: shim.startTicks });
  else if (isShimLost) draft.put(NO_SHIM);
  return !(isLeaderLost && !leader) && !(isShimLost && !shim);
}

/** The name of a cgroup says whose it is. */
function isOwnCgroup({ cgroup, job_id, token }: Columns): boolean {
  if (cgroup === null) return true;
  const [, id, letters] = /\/job-(\d+)-(\S+)$/.exec(cgroup) ?? [];
  return id === String(job_id) && token.startsWith(letters);
}
