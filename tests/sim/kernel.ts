/**
 * A simulated machine's processes: they are forked, exec, take steps, are signalled, stopped and
 * continued, become zombies, are reaped, and their pids are soon used again. It knows nothing of
 * Holdfast but that a process may carry a token and belong to a job.
 */

import type { ExitStatus } from "../../src/job/exit_status.ts";
import { MS_PER_TICK, type Observed, type ProcessIdentity } from "../../src/job/identity.ts";
import { SIGCONT, SIGKILL, SIGTERM, SIGUSR1 } from "../../src/ports.ts";

export type Kind = "init" | "supervisor" | "keeper" | "shim" | "leader" | "child" | "stranger";

/** Orphans of their descendants come to them (prctl(2), PR_SET_CHILD_SUBREAPER). */
const SUBREAPERS: readonly Kind[] = ["init", "supervisor", "shim"];

export interface Process extends ProcessIdentity {
  readonly kind: Kind;
  readonly job?: number;
  /** In its environment; inherited by those that it forks. */
  token?: string;
  /** In the middle of execve(2): nobody can read its environment. */
  isBecoming?: boolean;
  /** By SIGSTOP: it does nothing until it is continued, and a SIGTERM waits till then. */
  isStopped?: boolean;
  hasPendingTerm?: boolean;
  /** SIGUSR1 has come. */
  isCalled?: boolean;
  /** Inherited by those that it forks. */
  cgroup?: string;
  parent: Process | undefined;
  group: number;
  session: number;
  state: "alive" | "zombie" | "gone";
  exit?: ExitStatus;
  ignoresTerm: boolean;
  /** Of a leader that has not executed its command yet. */
  startStep?: string;
  /** What it does, one step at a time; a step yields what it waits for before the next. */
  script?: Generator<Waiting, ExitStatus>;
  waiting: Waiting;
  whenEnded: (() => void)[];
}

/** Until when a process does nothing: a time since boot and a condition; or another, before both. */
export type Waiting = {
  readonly untilMs?: number;
  readonly until?: () => boolean;
  readonly orWhen?: () => boolean;
};

/** Few, so that they come round again. */
const FIRST_PID = 100, PIDS = 80;

export class Kernel {
  bootMs = 1000;
  bootId = 1;
  readonly processes = new Map<number, Process>();
  readonly cgroups = new Set<string>();
  #nextPid = FIRST_PID;
  #init: Process;
  /** Their start ticks by their pids. */
  #freed = new Map<number, number>();
  /** Told of the end of a child of the supervisor. */
  onChildEnded: () => void = () => {};
  onEnded: (ended: Process) => void = () => {};

  constructor() {
    this.#init = this.#add({ kind: "init" }, 1);
  }

  /** A child in its parent's group and session; init's when none is given. */
  fork(
    process: { kind: Kind; job?: number; ignoresTerm?: boolean },
    parent?: Process,
    pid = this.#freePid(),
  ): Process {
    return this.#add(process, pid, parent ?? this.#init);
  }

  /** Pids of shims and leaders that have ended and that nobody has yet, lately freed ones. */
  freedPids(): number[] {
    const tick = Math.floor(this.bootMs / MS_PER_TICK);
    return [...this.#freed].filter(([pid, atTick]) => atTick < tick && !this.processes.has(pid))
      .map(([pid]) => pid);
  }

  setsid(process: Process): void {
    process.session = process.group = process.pid;
  }

  observe(pid: number): Observed {
    const found = this.processes.get(pid);
    if (!found) return { kind: "absent" };
    const { startTicks, state, startStep } = found;
    return { kind: "present", startTicks, zombie: state === "zombie", startStep };
  }

  /** Those that can take a step now. */
  ready(): Process[] {
    return [...this.processes.values()].filter(({ state, isStopped, script, waiting }) =>
      state === "alive" && script && !isStopped &&
      (((waiting.untilMs ?? 0) <= this.bootMs && (waiting.until?.() ?? true)) || waiting.orWhen?.())
    );
  }

  /** When the next process that sleeps wakes up, ms since boot. */
  nextWakeMs(): number {
    let next = Infinity;
    for (const { state, isStopped, script, waiting } of this.processes.values()) {
      if (state === "alive" && script && !isStopped && waiting.untilMs !== undefined) {
        next = Math.min(next, waiting.untilMs);
      }
    }
    return next;
  }

  step(process: Process): void {
    const next = process.script!.next();
    if (process.state !== "alive") return;
    if (next.done) this.end(process, next.value);
    else process.waiting = next.value;
  }

  signal(process: Process, signal: number): boolean {
    if (process.state !== "alive") return process.state === "zombie";
    const isTerm = signal === SIGTERM && !process.ignoresTerm;
    if (signal === SIGKILL || (isTerm && !process.isStopped)) {
      this.end(process, { code: 0, signal });
    } else if (isTerm) process.hasPendingTerm = true;
    else if (signal === SIGUSR1) process.isCalled = true;
    else if (signal === SIGCONT) this.#continue(process);
    return true;
  }

  stop(process: Process): void {
    process.isStopped = true;
  }

  end(process: Process, exit: ExitStatus): void {
    process.state = "zombie";
    process.exit = exit;
    this.onEnded(process);
    for (const child of this.childrenOf(process)) {
      child.parent = this.#subreaper(process);
      if (child.state === "zombie") this.#parentIsTold(child);
    }
    this.#parentIsTold(process);
    for (const go of process.whenEnded.splice(0)) go();
  }

  reap(process: Process): void {
    const { kind, pid, startTicks } = process;
    if (kind === "shim" || kind === "leader") this.#freed.set(pid, startTicks);
    process.state = "gone";
    this.processes.delete(process.pid);
  }

  membersOf(cgroup: string): Process[] {
    return [...this.processes.values()].filter((process) =>
      process.cgroup === cgroup && process.state === "alive"
    );
  }

  childrenOf(parent: Process): Process[] {
    return [...this.processes.values()].filter((process) => process.parent === parent);
  }

  /** The power fails: everything is gone, pids and times begin again. */
  reboot(): void {
    for (const process of this.processes.values()) process.state = "gone";
    this.processes.clear();
    this.cgroups.clear();
    this.#freed.clear();
    this.bootId++;
    this.bootMs = 1000;
    this.#nextPid = FIRST_PID;
    this.#init = this.#add({ kind: "init" }, 1);
  }

  #continue(process: Process): void {
    process.isStopped = false;
    if (process.hasPendingTerm) this.end(process, { code: 0, signal: SIGTERM });
  }

  /** init reaps at once; the supervisor is told; the keeper and shims look by themselves. */
  #parentIsTold(process: Process): void {
    if (process.parent === this.#init) this.reap(process);
    else if (process.parent?.kind === "supervisor") this.onChildEnded();
  }

  #subreaper(process: Process): Process {
    let at = process.parent;
    while (at && !(at.state === "alive" && SUBREAPERS.includes(at.kind))) at = at.parent;
    return at ?? this.#init;
  }

  #add(
    { kind, job, ignoresTerm = false }: { kind: Kind; job?: number; ignoresTerm?: boolean },
    pid: number,
    parent?: Process,
  ): Process {
    const { group, session } = parent ?? { group: pid, session: pid };
    const startTicks = Math.floor(this.bootMs / MS_PER_TICK);
    const process: Process = {
      pid,
      startTicks,
      kind,
      job,
      token: parent?.token,
      cgroup: parent?.cgroup,
      parent,
      group,
      session,
      state: "alive",
      ignoresTerm,
      waiting: {},
      whenEnded: [],
    };
    this.processes.set(pid, process);
    return process;
  }

  /** A pid is never used twice within one tick: real ones take thousands of starts to come round. */
  #freePid(): number {
    for (let i = 0; i < PIDS; i++) {
      const pid = this.#nextPid;
      this.#nextPid = FIRST_PID + (pid - FIRST_PID + 1) % PIDS;
      if (this.#nextPid === FIRST_PID) this.bootMs += MS_PER_TICK;
      if (!this.processes.has(pid)) return pid;
    }
    throw new Error("the simulated machine has run out of pids");
  }
}

/** By descent while its shim lives, whatever it does; afterwards by what it carries. */
export function canBeFound({ token, cgroup, parent }: Process): boolean {
  return token !== undefined || cgroup !== undefined || isBelowShim(parent);
}

export function isBelowShim(parent: Process | undefined): boolean {
  let at = parent;
  while (at && at.kind !== "shim") at = at.parent;
  return at !== undefined;
}
