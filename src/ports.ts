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
  readonly group: number;
  readonly session: number;
  /** The token in its environment; undefined when there is none or it cannot be read. */
  readonly token?: string;
  /** In the middle of execve(2): it may have a token, which nobody can read just now. */
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

export interface ShimStart {
  readonly id: number;
  /** The number of the attempt, which names its claim. */
  readonly attempt: number;
  readonly token: string;
  readonly directory: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly limits?: Limits;
  /** The CPUs that it and its job run on; absent for any. */
  readonly cpuSet?: readonly number[];
  /** The directory of the cgroup that the job is to be in. */
  readonly cgroup?: string;
}

/** A child that has ended. */
export interface Reaped {
  readonly pid: number;
  readonly exit: ExitStatus;
  /** bytes: the most that one process among it and what it has waited for has used, where known. */
  readonly maxMemory?: number;
}

/**
 * A shim's pid, or why there is none: because of the job itself, or because the node cannot start
 * anything now. Nothing runs unless there is one.
 */
export type Spawned =
  | { readonly pid: number }
  | { readonly refused: string; readonly by: "job" | "node" };

export interface Processes {
  /** Where a pid means something now. */
  readonly ground: Ground;
  /**
   * Has a shim started, which takes the time of an exec: `told` is called once, later, and is lost with
   * us. Before: STARTING without a claim, which is fenced and queued again. In or after: the shim
   * runs or it does not; its claim tells.
   */
  spawn(start: ShimStart, told: (spawned: Spawned) => void): void;
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
  /** Pids of the children of this process; undefined when nobody can say. */
  children(): number[] | undefined;
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

/** What a claim file says: a shim's name, recovery's fence, or nothing that was finished. */
export type Claim =
  | { readonly kind: "signed"; readonly shim: ProcessIdentity; readonly token: string }
  | { readonly kind: "fence" }
  | { readonly kind: "unsigned" };

export interface ExitRecord {
  /** As the shell reports it in `$?`. */
  readonly status: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  /** bytes from and to storage; absent where the kernel or an older shim does not tell. */
  readonly readBytes?: number;
  readonly writtenBytes?: number;
  /** Why nothing was executed, if nothing was. */
  readonly refusal?: string;
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
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
  runIds(): number[];
  exitIds(): number[];
}

/** What the supervisor makes, writes and removes there: the fence above all. */
export interface Files extends RunRecords {
  /** Makes the directory that a shim needs. Dying in it or after: it may be there already. */
  create(id: number): void;
  /**
   * Forbids an attempt by claiming it. True when the claim is ours, now or since before; false when
   * a shim was first. In it: it is ours or it is not, nothing between. After: STARTING with a
   * fence, which is withdrawn.
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
