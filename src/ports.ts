/**
 * What the supervisor needs of the machine: clock, processes, files and logs, each with what holds if we
 * die before, in or after a call. The journal's contract is in `store/journal.ts`. `host/` has the
 * real parts; the simulation in `tests/sim` has others, and dies at each of these calls.
 */

import type { ExitStatus } from "./job/exit_status.ts";
import type { Limits } from "./job/limits.ts";
import type { Check, Ground, Observed, ProcessIdentity } from "./job/identity.ts";
import type { Usage } from "./job/job.ts";

/** Time, and what is to be done later. What was to be done is lost with us: it is only a hint to look. */
export interface Clock {
  /** Wall clock, ms since 1970, up to the year 9999. May jump; nothing is decided by it but `notBefore`. */
  wallMs(): number;
  /** ms since boot, suspend included. */
  bootMs(): number;
  /** Has `go` called once, when what runs now has returned. */
  soon(go: () => void): void;
  /** Has `go` called once, not before `delayMs`. Returns the function that prevents it. */
  after(delayMs: number, go: () => void): () => void;
}

export const SIGKILL = 9;
/** A shim that gets it introduces itself to the supervisor of the moment. */
export const SIGUSR1 = 10;
export const SIGTERM = 15;
export const SIGCONT = 18;

/** A process that was there when it was opened, and cannot become another. Lost with us. */
export interface ProcessHandle {
  readonly identity: ProcessIdentity;
  /** False when it has ended. Throws when it may not be signalled. */
  signal(signal: number): boolean;
  /**
   * Signals the process group that it leads; it alone while it has not begun one, as between its
   * first sign of life and setsid(2). False when nobody is left.
   */
  signalGroup(signal: number): boolean;
  /**
   * Whether its pid still names it or the group that it led: while it does, the kernel gives the
   * number to nobody else. Before Linux 6.9 nobody can tell, and this says yes.
   */
  holdsItsPid(): boolean;
  /** The exact exit status of an ended process, where the kernel tells it. */
  exitStatus(): ExitStatus | undefined;
  /** Has `go` called once when it has ended; a hint that may be lost. */
  whenEnded(go: () => void): void;
  close(): void;
}

/** A process that lives. */
export interface Living extends ProcessIdentity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The token in its environment; undefined when there is none or it cannot be read. */
  readonly token?: string;
  /** In the middle of execve(2), or gone: it may have a token, which nobody can read just now. */
  readonly isBecoming?: boolean;
}

/** A living process that carries a job's id and token. */
export interface JobProcess extends ProcessIdentity {
  readonly job: number;
  readonly token: string;
  readonly session: number;
  readonly command: readonly string[];
  /** Where it works now. */
  readonly directory?: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What the keeper is asked to start: a shim, with the job that it is to run. */
export interface ShimStart {
  readonly id: number;
  /** The number of the attempt, which names its claim. */
  readonly attempt: number;
  readonly token: string;
  readonly directory: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly limits?: Limits;
  /** The CPUs that its job runs on; absent for any. */
  readonly cpuSet?: readonly number[];
  /** The directory of the cgroup that the job is to be in. */
  readonly cgroup?: string;
}

/** Why nothing was executed: because of the job itself, or because the node could not. */
export interface Refusal {
  readonly why: string;
  readonly by: "job" | "node";
}

/** How a leader has ended, with what is known of its job's use till then. */
export interface LeaderEnd {
  readonly exit: ExitStatus;
  readonly usage: Usage;
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
}

/**
 * What is told of one attempt: by the keeper (forked, notForked) and by its shim. Each is a fact that
 * was so when it was told, in this order, and all but `executed` and `silent` are on disk by then.
 * Any may be lost, and is then found out by looking.
 */
export type ShimNews =
  | { readonly kind: "forked"; readonly shim: ProcessIdentity }
  /** There will be no shim for it. */
  | { readonly kind: "notForked"; readonly refusal: Refusal }
  | { readonly kind: "claimed"; readonly shim: ProcessIdentity }
  /** Somebody else has claimed the attempt, or its run directory is gone: nothing will be executed. */
  | { readonly kind: "claimLost" }
  /** From now on the command may be executed. `atMs`: wall clock, ms since 1970. */
  | { readonly kind: "led"; readonly leader: ProcessIdentity; readonly atMs: number }
  | { readonly kind: "executed" }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "ended"; readonly end: LeaderEnd }
  /** Nobody of the job is left. */
  | { readonly kind: "empty"; readonly usage: Usage }
  /** Nothing more will be told: the shim has ended, or cannot reach us. */
  | { readonly kind: "silent" };

export type HearShim = (news: ShimNews) => void;

/** Who a shim says it is when it reaches us by itself. */
export interface Introduction {
  readonly id: number;
  readonly attempt: number;
  readonly token: string;
  /** As the kernel tells who is at the other end. */
  readonly shimPid: number;
}

/** Forks shims, in a process of its own that ends with us. What it has forked lives on. */
export interface Keeper {
  readonly pid: number;
  /**
   * Has a shim started. Before: STARTING without a claim, which is fenced and queued again. In or after:
   * there will be a shim or there will not; its claim tells. busy: not taken now, see whenWritable;
   * gone: it has ended, and will start nothing more.
   */
  start(start: ShimStart, hear: HearShim): "sent" | "busy" | "gone";
  /** Has `go` called once when it can take another start. Lost with us. */
  whenWritable(go: () => void): void;
  /** Ends it, and lets its lines go on. */
  kill(): void;
}

export interface Shims {
  /** Has a keeper executed. Throws when the node cannot. `onGone` is called once, when it has ended. */
  openKeeper(onGone: () => void): Keeper;
  /**
   * Where shims reach us that another supervisor has started, once they get SIGUSR1: what such a shim
   * knows is told again from `claimed` on. `greet`: undefined for one that is none of ours.
   */
  listen(greet: (who: Introduction) => HearShim | undefined): void;
}

/** A child that has ended. */
export interface Reaped {
  readonly pid: number;
  readonly exit: ExitStatus;
}

export interface Processes {
  /** Where a pid means something now. */
  readonly ground: Ground;
  observe(pid: number): Observed;
  /** A living process as a person knows it: its pid, with its name and state where they can be read. */
  describe(pid: number): string;
  /**
   * Opens a process by its recorded identity. A signal through it reaches that process or nobody.
   * Throws when descriptors have run out.
   */
  open(identity: ProcessIdentity): ProcessHandle | Exclude<Check, "match">;
  /** Everything that lives and is not another user's, but this process. Throws when it cannot be read. */
  living(): Living[];
  /**
   * Everything that lives below a shim, found by descent: it costs by the number of those and not of the
   * machine's. Undefined when the shim is gone, or the kernel does not list children. Who is born or
   * handed to another parent meanwhile may be missed. Throws when it cannot be read.
   */
  descendants(shim: ProcessIdentity): ProcessIdentity[] | undefined;
  /**
   * SIGKILL to all children of a shim, again and again until it has none or some ms have passed: who
   * forks as fast as he is killed is caught up with only so, since what a killed one leaves behind
   * becomes the shim's child. Dying before, in or after: it is asked for again.
   */
  killChildren(shim: ProcessIdentity): void;
  /**
   * Takes the exit status of every ended child. After: nobody else can be told it again, so what
   * depends on it is in the exit record or unknown.
   */
  reap(): Reaped[];
}

/** Signals one process if it is the recorded one. Dying before, in or after: it is asked for again. */
export function signalProcess(processes: Processes, identity: ProcessIdentity, signal: number) {
  const handle = processes.open(identity);
  if (typeof handle === "string") return;
  try {
    handle.signal(signal);
  } finally {
    handle.close();
  }
}

/** What a claim file says: a shim's name, recovery's fence, or (of an older shim) nothing that was finished. */
export type Claim =
  | { readonly kind: "signed"; readonly shim: ProcessIdentity; readonly token: string }
  | { readonly kind: "fence" }
  | { readonly kind: "unsigned" };

export interface ExitRecord extends LeaderEnd {
  /** Why nothing was executed, if nothing was. */
  readonly refusal?: Refusal;
}

/** What can be read of `runs/<id>/` and `exits/<id>`, which shims write. Reading changes nothing. */
export interface RunRecords {
  claim(id: number, attempt: number): Claim | undefined;
  /** When it was claimed, wall clock ms. */
  claimedAtMs(id: number, attempt: number): number | undefined;
  leader(id: number): ProcessIdentity | undefined;
  /** When the leader's identity was written, wall clock ms. */
  startedAtMs(id: number): number | undefined;
  exitRecord(id: number): ExitRecord | undefined;
  /** What was used in all; there once nobody of the job is left. An older shim tells none. */
  finalUsage(id: number): Usage | undefined;
  /** Whether its run directory is there, which is made before it is started. */
  hasRun(id: number): boolean;
  runIds(): number[];
  exitIds(): number[];
}

/** What the supervisor makes, writes and removes there: the fence above all. */
export interface Files extends RunRecords {
  /**
   * Makes the directory that a shim needs, before its start is journaled: one that is missing afterwards
   * has been removed, and nobody knows what was in it. Dying in it or after: it may be there already.
   */
  create(id: number): void;
  /**
   * Forbids an attempt by claiming it. True when the claim is ours, now or since before; false when
   * a shim was first, or the run directory is gone. In it: it is ours or it is not, nothing between.
   * After: STARTING with a fence, which is withdrawn.
   */
  fence(id: number, attempt: number): boolean;
  /** Only when the end is in the journal. Dying before: a record of an ended job, swept at the start. */
  removeExitRecord(id: number): void;
  /** Dying in it: some files are gone and the job is still there, to be pruned again. */
  removeRun(id: number): void;
}

export type LogStream = "stdout" | "stderr";

/**
 * Bytes of a log that were given back to the disk. Offsets count all that the job has written: byte
 * n beyond the gap is at n - shift of the file, which is 0 where the disk can have holes.
 */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly shift: number;
}

export interface LogState {
  /** bytes that the job has written, the gap included */
  readonly size: number;
  readonly gap?: Gap;
  /** bytes; only whole blocks can be given back */
  readonly block: number;
}

/** bytes of the disk of the state directory; free: for anybody. */
export interface Space {
  readonly free: number;
  readonly total: number;
}

/** What was read of a log, maybe nothing; `cut`: bytes left out directly before it. */
export interface LogPiece {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cut: number;
}

export interface LogReader {
  readonly path: string;
  /** The next piece of it; undefined when there is none now. Never what is gone, as zeros. */
  next(): LogPiece | undefined;
  /** Whether another file than it reads is at its path, or none. */
  isReplaced(): boolean;
  close(): void;
}

/**
 * The logs of jobs, and the ballast: a file of the state directory whose room is given up for the
 * journal when the disk is full.
 */
export interface LogFiles {
  /** Undefined while the job has none. A gap that its job has written over is forgotten. */
  look(id: number, stream: LogStream): LogState | undefined;
  /** Whether it is not there, or not what the job's process writes to. */
  isLost(id: number, stream: LogStream, pid: number | undefined): boolean;
  /**
   * Gives the bytes from `from` to `to` back to the disk while the job writes on; where the disk
   * can have no holes all from `from` on. Returns the gap. It is recorded first. Dying before that:
   * nothing has happened; before the disk has its bytes: the next look finds them there and forgets
   * the record, or makes up for it; after: it is cut.
   */
  cut(id: number, stream: LogStream, from: number, to: number): Gap;
  /** Undefined when the logs are on another disk than the journal, or it cannot be told. */
  space(): Space | undefined;
  /** Makes the ballast, or leaves it as it is there. Dying in it: made at the next start. */
  takeBallast(bytes: number): void;
  /** False when there is none. Dying after: taken again at the next start. */
  giveBallast(): boolean;
  read(id: number, stream: LogStream, offset: number): LogReader;
}

/** What a job may use, for its cgroup to hold it to. */
export interface CgroupLimits {
  readonly cpus: number;
  /** bytes; 0 for no limit. */
  readonly memory: number;
  readonly processes?: number;
}

/**
 * What holds the processes of each job together in the kernel. A directory names one attempt for ever:
 * its token is part of the name, so that no other job's or stranger's cgroup is ever taken for it.
 */
export interface Cgroups {
  /** Where the cgroup of an attempt is to be, to be journaled first; undefined where none can be made. */
  directoryOf(id: number, token: string): string | undefined;
  /**
   * Makes it, with its limits. Throws when the node cannot. In it or after: an empty one, removed with
   * the attempt or swept at the next start.
   */
  make(directory: string, limits: CgroupLimits): void;
  /** Sets its limits again. Throws when it is gone. Dying before or in it: they are not in force. */
  limit(directory: string, limits: CgroupLimits): void;
  /**
   * Who lives in it and below; undefined when somebody does and nobody can say who just now. Nobody
   * where it is gone. Throws when it cannot be read.
   */
  members(directory: string): ProcessIdentity[] | undefined;
  /**
   * SIGKILL to all of them at once, the ones that are just being born included, where the kernel can
   * (Linux 5.14). Dying before, in or after: it is asked for again.
   */
  kill(directory: string): void;
  /** What all who were ever in it have used; undefined where it is gone. */
  usage(directory: string): Usage | undefined;
  /** Whether the kernel has killed somebody in it for want of memory. */
  ranOutOfMemory(directory: string): boolean;
  /**
   * Only when the end is in the journal. False when somebody is in it: nothing is done then. Dying
   * before or in it: swept at the next start.
   */
  remove(directory: string): boolean;
  /** Those of this state directory that are there. */
  directories(): string[];
}
