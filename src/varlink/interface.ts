/**
 * The types of the io.holdfast interface, which io.holdfast.varlink describes. A field that is absent is
 * left out, never null: systemd's parser refuses nulls.
 */

import type { Reason, State, Stop, Usage } from "../job/job.ts";
import type { ArrayMember } from "../job/job_array.ts";
import type { Limits } from "../job/limits.ts";
import type { Pin, Spec } from "../job/spec.ts";

export type { ArrayMember, Limits, Pin, Reason, Spec, State, Stop, Usage };

export const INTERFACE_NAME = "io.holdfast";

export type Stream = "stdout" | "stderr";

export interface Job {
  id: number;
  spec: Spec;
  uid: number;
  state: State;
  stopping?: Stop;
  reason?: Reason;
  message?: string;
  exitCode?: string;
  pid?: number;
  adopted: boolean;
  released: boolean;
  usage?: Usage;
  held?: boolean;
  waiting?: string;
  expectedStart?: string;
  array?: ArrayMember;
  cpuSet?: readonly number[];
  lostLogs?: readonly Stream[];
  submittedAt: string;
  startedAt?: string;
  endedAt?: string;
  elapsedMs?: number;
}

export interface Event {
  sequence: number;
  at: string;
  id: number;
  state: State;
  stopping?: Stop;
  reason?: Reason;
  message?: string;
}

export interface Recovery {
  at: string;
  durationMs: number;
  kept: number;
  adopted: number;
  requeued: number;
  ended: number;
  interrupted: number;
}

export interface NotReplaced {
  at: string;
  message: string;
}

export interface NodeStatus {
  name: string;
  version: string;
  pid: number;
  startedAt: string;
  cpus: number;
  cpusAllocated: number;
  memory: number;
  memoryAllocated: number;
  queued: number;
  running: number;
  draining: boolean;
  degraded?: string;
  cannotStart?: string;
  shortOfSpace?: string;
  cgroup?: string;
  controllers?: readonly string[];
  cgroupProblem?: string;
  notReplaced?: NotReplaced;
  recovery: Recovery;
}

export interface HealthStatus {
  faults: readonly string[];
  running: number;
  queued: number;
  draining: boolean;
  degraded?: string;
  cannotStart?: string;
  shortOfSpace?: string;
  unkillable: number;
  hanging: number;
  orphans: number;
  turnMs: number;
  commitMs: number;
}

export interface Pool {
  name: string;
  limit?: number;
  paused: boolean;
  running: number;
  queued: number;
}

export interface Outcome {
  id: number;
  state?: State;
  stopping?: Stop;
  held?: boolean;
  error?: string;
}

/** One job or several. */
export type Named = ({ id: number } | { ids: number[] }) & { array?: boolean };

export interface Changed {
  job: Job;
  outcomes?: Outcome[];
}

/** Parameters and reply of each method, by its name. */
export interface Methods {
  Submit: [{ spec: Spec }, { job: Job; created: boolean }];
  Cancel: [Named, Changed];
  Hold: [Named, Changed];
  Release: [Named, Changed];
  Status: [{ id: number }, { job: Job }];
  List: [
    { states?: State[]; name?: string; after?: number; limit?: number; array?: number },
    { jobs: Job[]; next?: number },
  ];
  Wait: [{ id: number; timeout?: number }, { job: Job }];
  Signal: [Named & { signal: string }, Changed];
  Resubmit: [{ id: number }, { job: Job }];
  History: [{ id: number }, { events: Event[] }];
  Watch: [{ since?: number; id?: number }, { event?: Event }];
  Logs: [
    { id: number; stream?: Stream; offset?: number; follow?: boolean },
    { stream?: Stream; offset?: number; data?: string; cut?: number },
  ];
  Node: [Record<string, never>, { node: NodeStatus }];
  Health: [Record<string, never>, { health: HealthStatus }];
  Drain: [Record<string, never>, { node: NodeStatus }];
  Resume: [Record<string, never>, { node: NodeStatus }];
  Pools: [Record<string, never>, { pools: Pool[] }];
  SetPool: [{ name: string; limit?: number; paused?: boolean }, { pool: Pool }];
  RemovePool: [{ name: string }, Record<string, never>];
  Prune: [{ olderThan?: number }, { removed: number; kept?: number }];
}
