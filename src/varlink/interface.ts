/**
 * The io.holdfast interface: its text, as GetInterfaceDescription returns it, and the same types for
 * TypeScript. A field that is absent is left out, never null: systemd's parser refuses nulls.
 */

import type { Reason, State, Stop, Usage } from "../job/job.ts";
import type { ArrayMember } from "../job/job_array.ts";
import type { Limits } from "../job/limits.ts";
import type { Pin, Spec } from "../job/spec.ts";

export type { ArrayMember, Limits, Pin, Reason, Spec, State, Stop, Usage };

export const INTERFACE_NAME = "io.holdfast";

export const INTERFACE_DESCRIPTION = `# Runs jobs on this node and never loses its grip on them.
interface io.holdfast

type State (QUEUED, STARTING, RUNNING, COMPLETED, FAILED, CANCELLED)

# Why a job ended.
type Reason (exit, signal, timeout, cancelled, shutdown, interrupted, reboot, startFailed, outOfMemory, dependency)

# Why a job is being stopped.
type Stop (cancel, timeout, shutdown)

type Stream (stdout, stderr)

# openFiles: descriptors; coreSize, fileSize, stackSize: bytes; processes: processes and threads of the job;
# nice: -20 to 19; umask: octal, such as "022"; logSize: bytes of stdout and of stderr that are kept
type Limits (
  openFiles: ?int,
  coreSize: ?int,
  fileSize: ?int,
  stackSize: ?int,
  processes: ?int,
  nice: ?int,
  umask: ?string,
  logSize: ?int
)

# exclusive: the CPUs of a job are no other pinned job's; shared: those with the fewest pinned jobs
type Pin (exclusive, shared)

# cpus: default 1; memory: bytes, default 0 (none set aside); timeout: s from the start, default 86400, 0 none;
# grace: s between SIGTERM and SIGKILL, default 10; priority: higher starts first, default 0;
# after: ids of jobs that must have COMPLETED before this one starts; key: names this request, so that
# submitting it again returns the first job, for as long as that is kept; only the environment may differ;
# pool: whose limit of concurrent jobs holds; pin: it runs on a set of cpus CPUs of its own; notBefore: RFC 3339;
# hold: it waits for Release; array: indexes of jobs that differ in HOLDFAST_ARRAY_INDEX, such as "1-100%10"
type Spec (
  command: []string,
  name: ?string,
  key: ?string,
  directory: ?string,
  environment: ?[string]string,
  user: ?string,
  cpus: ?int,
  memory: ?int,
  timeout: ?int,
  grace: ?int,
  priority: ?int,
  after: ?[]int,
  pool: ?string,
  limits: ?Limits,
  pin: ?Pin,
  notBefore: ?string,
  hold: ?bool,
  array: ?string
)

# maxMemory: bytes; readBytes, writtenBytes: from and to storage
type Usage (userTimeMs: int, systemTimeMs: int, maxMemory: ?int, readBytes: ?int, writtenBytes: ?int)

# id: that of the first job of the array; size: how many jobs it has
type ArrayMember (id: int, index: int, size: int)

# held, waiting (for what), expectedStart (at the latest, if all goes on as it is): of a queued job;
# cpuSet: the CPUs of a pinned job;
# exitCode: "7:0" exit code 7, "0:9" killed by signal 9, "-999:0" unknown; times are RFC 3339 in UTC
type Job (
  id: int,
  spec: Spec,
  uid: int,
  state: State,
  stopping: ?Stop,
  reason: ?Reason,
  message: ?string,
  exitCode: ?string,
  pid: ?int,
  adopted: bool,
  released: bool,
  usage: ?Usage,
  held: ?bool,
  waiting: ?string,
  expectedStart: ?string,
  array: ?ArrayMember,
  cpuSet: ?[]int,
  submittedAt: string,
  startedAt: ?string,
  endedAt: ?string
)

type Event (
  sequence: int,
  at: string,
  id: int,
  state: State,
  stopping: ?Stop,
  reason: ?Reason,
  message: ?string
)

# What the last start of the supervisor found
type Recovery (
  at: string,
  durationMs: int,
  kept: int,
  adopted: int,
  requeued: int,
  ended: int,
  interrupted: int
)

# That the supervisor was last asked to be replaced by the binary now installed, and why it was not
type NotReplaced (at: string, message: string)

# memory: bytes; degraded: why the journal cannot be written; cannotStart: why no job can be started now;
# shortOfSpace: why logs of running jobs are cut below their limits;
# cgroup: the directory below which each job has its cgroup; controllers: what these limit and count;
# cgroupProblem: why there are none, or not all controllers
type NodeStatus (
  name: string,
  version: string,
  pid: int,
  startedAt: string,
  cpus: int,
  cpusAllocated: int,
  memory: int,
  memoryAllocated: int,
  queued: int,
  running: int,
  draining: bool,
  degraded: ?string,
  cannotStart: ?string,
  shortOfSpace: ?string,
  cgroup: ?string,
  controllers: ?[]string,
  cgroupProblem: ?string,
  notReplaced: ?NotReplaced,
  recovery: Recovery
)

# limit: jobs at once, absent for no limit; running, queued: its jobs now
type Pool (name: string, limit: ?int, paused: bool, running: int, queued: int)

# The reply is sent when the job is on disk. Of a job array it tells the first job.
method Submit(spec: Spec) -> (job: Job, created: bool)

# Answers when the intent is on disk; Wait tells the end. An ended job is returned as it is.
# array: all jobs of the array that it belongs to
method Cancel(id: int, array: ?bool) -> (job: Job)

# Keeps a queued job from starting until Release
method Hold(id: int, array: ?bool) -> (job: Job)

method Release(id: int, array: ?bool) -> (job: Job)

method Status(id: int) -> (job: Job)

# In id order; after: the last id of the page before; limit: default 100, at most 1000
# array: only the jobs of this array
method List(states: ?[]State, name: ?string, after: ?int, limit: ?int, array: ?int) -> (jobs: []Job, next: ?int)

# Answers when the job has ended, or after timeout s with the job as it then is
method Wait(id: int, timeout: ?int) -> (job: Job)

# signal: a name such as USR1, SIGUSR1 or RTMIN+3, or a number; sent to the job's process group
method Signal(id: int, signal: string) -> (job: Job)

# A new job with the same spec (without its key)
method Resubmit(id: int) -> (job: Job)

method History(id: int) -> (events: []Event)

# Streams; since: the sequence after which to begin, default only what is to come
method Watch(since: ?int, id: ?int) -> (event: ?Event)

# Streams; data: base64 of the bytes at offset; cut: bytes left out directly before them, which are not kept
method Logs(id: int, stream: ?Stream, offset: ?int, follow: ?bool) -> (
  stream: ?Stream,
  offset: ?int,
  data: ?string,
  cut: ?int
)

method Node() -> (node: NodeStatus)

# No job is accepted or started until Resume; running ones go on
method Drain() -> (node: NodeStatus)

method Resume() -> (node: NodeStatus)

method Pools() -> (pools: []Pool)

# Makes a pool, or changes what is given of it; limit 0: none
method SetPool(name: string, limit: ?int, paused: ?bool) -> (pool: Pool)

# Only when no job that has not ended is in it
method RemovePool(name: string) -> ()

# olderThan: s since the end, default as configured
method Prune(olderThan: ?int) -> (removed: int)

error NoSuchJob(id: int)

# field: the name of the field of Spec
error InvalidJob(field: string, message: string)

# id: the job that has the key; field: of Spec, in which that job differs
error KeyConflict(id: int, field: ?string)

error JobEnded(id: int, state: State)

# It has no process now that could be signalled
error NotRunning(id: int, state: State)

# It has been started, or has ended
error NotQueued(id: int, state: State)

error NoSuchPool(name: string)

# jobs: how many that have not ended are in it
error PoolInUse(name: string, jobs: int)

error QueueFull(limit: int)

error Draining()

error JournalUnavailable(message: string)

# The connection is closed after it; message: what is wrong with the bytes
error MalformedMessage(message: string)

# The connection is closed after it; what: which limit
error LimitExceeded(what: string, limit: int)
`;

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
  submittedAt: string;
  startedAt?: string;
  endedAt?: string;
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

export interface Pool {
  name: string;
  limit?: number;
  paused: boolean;
  running: number;
  queued: number;
}

/** Parameters and reply of each method, by its name. */
export interface Methods {
  Submit: [{ spec: Spec }, { job: Job; created: boolean }];
  Cancel: [{ id: number; array?: boolean }, { job: Job }];
  Hold: [{ id: number; array?: boolean }, { job: Job }];
  Release: [{ id: number; array?: boolean }, { job: Job }];
  Status: [{ id: number }, { job: Job }];
  List: [
    { states?: State[]; name?: string; after?: number; limit?: number; array?: number },
    { jobs: Job[]; next?: number },
  ];
  Wait: [{ id: number; timeout?: number }, { job: Job }];
  Signal: [{ id: number; signal: string }, { job: Job }];
  Resubmit: [{ id: number }, { job: Job }];
  History: [{ id: number }, { events: Event[] }];
  Watch: [{ since?: number; id?: number }, { event?: Event }];
  Logs: [
    { id: number; stream?: Stream; offset?: number; follow?: boolean },
    { stream?: Stream; offset?: number; data?: string; cut?: number },
  ];
  Node: [Record<string, never>, { node: NodeStatus }];
  Drain: [Record<string, never>, { node: NodeStatus }];
  Resume: [Record<string, never>, { node: NodeStatus }];
  Pools: [Record<string, never>, { pools: Pool[] }];
  SetPool: [{ name: string; limit?: number; paused?: boolean }, { pool: Pool }];
  RemovePool: [{ name: string }, Record<string, never>];
  Prune: [{ olderThan?: number }, { removed: number }];
}
