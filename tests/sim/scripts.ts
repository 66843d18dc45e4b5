/**
 * What simulated shims and jobs do, step by step: the shim as `src/keeper/` has it, the job as its plan
 * says. The plan travels in the command, as a program's arguments would. A process can be killed
 * between any two steps.
 */

import type { ExitStatus } from "../../src/job/exit_status.ts";
import type { Refusal, ShimNews, ShimStart } from "../../src/ports.ts";
import { type Disk, DiskFull, NOT_STARTED } from "./disk.ts";
import { canBeFound, type Kernel, type Process, type Waiting } from "./kernel.ts";

export interface Child {
  readonly lastsMs: number;
  readonly ownSession: boolean;
  readonly ignoresTerm: boolean;
  /** Forks another in its place and ends. */
  readonly forksTwice: boolean;
  readonly clearsEnvironment: boolean;
}

export interface Plan {
  readonly lastsMs: number;
  readonly exit: ExitStatus;
  readonly ignoresTerm: boolean;
  readonly children: readonly Child[];
  /** The command cannot be executed. */
  readonly isMissing: boolean;
  /** Its directory is on a file system that may not answer. */
  readonly isRemote: boolean;
}

export function commandOf(plan: Plan): string[] {
  return ["job", JSON.stringify(plan)];
}

function planOf(command: readonly string[]): Plan {
  return JSON.parse(command[1]!);
}

const CLAIM_LOST = 97, RUN_GONE = 98;
const RETRY_MS = 1000;
const LOST_MS = 9000;
const USAGE = { userTimeMs: 10, systemTimeMs: 10 };

type Script = Generator<Waiting, ExitStatus>;

/** Where a shim tells what happens. */
export interface Hearing {
  tell(news: ShimNews): void;
  close(): void;
}

export interface Ground {
  readonly kernel: Kernel;
  readonly disk: Disk;
  /** Whether remote file systems do not answer now. */
  readonly isHung: () => boolean;
  /** Called when a leader is born, and when its name is on disk. */
  readonly onLeader: (hasName: boolean) => void;
  /** Called when the job's command is executed. */
  readonly onExec: () => void;
  readonly isByChance: (n: number) => boolean;
  /** To the supervisor of the moment; undefined when none listens. */
  readonly connect: () => Hearing | undefined;
}

/** What passes between a shim and its leader over their pipes. */
interface Pipes {
  hasWord?: true;
  refusal?: Refusal;
  hasExecuted?: true;
}

const exit = (code: number): ExitStatus => ({ code, signal: 0 });

export function* shim(ground: Ground, self: Process, start: ShimStart, line: Hearing): Script {
  let hearing = line;
  const facts: ShimNews[] = [];
  self.whenEnded.push(() => hearing.close());
  const tell = (news: ShimNews) => {
    facts.push(news);
    hearing.tell(news);
  };
  const deeds = run(ground, self, start, tell);
  for (;;) {
    const next = deeds.next();
    if (next.done) return next.value;
    for (;;) {
      yield { ...next.value, orWhen: () => self.isCalled === true };
      if (!self.isCalled) break;
      self.isCalled = false;
      const connected = ground.connect();
      if (!connected) continue;
      hearing.close();
      hearing = connected;
      for (const fact of facts) hearing.tell(fact);
    }
  }
}

function* run(
  ground: Ground,
  self: Process,
  start: ShimStart,
  tell: (news: ShimNews) => void,
): Script {
  const { kernel, disk } = ground;
  const { id, attempt, token, cgroup } = start;
  yield {};
  kernel.setsid(self);
  self.token = token;
  yield {};
  const claim = { kind: "signed", shim: identityOf(self), token } as const;
  if (!(yield* written(kernel, () => disk.link(id, attempt, claim)))) {
    tell({ kind: "claimLost" });
    yield {};
    return exit(CLAIM_LOST);
  }
  tell({ kind: "claimed", shim: identityOf(self) });
  yield {};
  const pipes: Pipes = {};
  const leader = kernel.fork({ kind: "leader", job: id }, self);
  leader.startStep = "waiting for its shim";
  if (cgroup !== undefined && kernel.cgroups.has(cgroup)) leader.cgroup = cgroup;
  leader.script = lead(ground, self, leader, start, pipes);
  ground.onLeader(false);
  yield {};
  if (!(yield* written(kernel, () => (disk.writeLeader(id, identityOf(leader)), true)))) {
    return exit(RUN_GONE);
  }
  ground.onLeader(true);
  yield {};
  const led = { kind: "led", leader: identityOf(leader), atMs: disk.now() } as const;
  // Told before or after: neither is waited for.
  const isToldFirst = ground.isByChance(2);
  if (isToldFirst) tell(led);
  yield {};
  pipes.hasWord = true;
  yield {};
  if (!isToldFirst) tell(led);
  yield* reaping(kernel, self, leader, () => pipes.hasExecuted || isZombie(leader));
  if (pipes.hasExecuted) tell({ kind: "executed" });
  yield* reaping(kernel, self, leader, () => isZombie(leader));
  const end = { exit: leader.exit!, usage: USAGE, atMs: disk.now() };
  const isRecordedFirst = ground.isByChance(2);
  if (!isRecordedFirst) kernel.reap(leader);
  yield {};
  const refusal = pipes.hasExecuted ? undefined : pipes.refusal ?? KILLED;
  if (refusal) {
    if (!(yield* written(kernel, () => (disk.writeRefused(id, refusal), true)))) {
      return exit(RUN_GONE);
    }
    yield {};
  }
  const isAlone = () => kernel.childrenOf(self).every((child) => child === leader);
  const isFinal = isAlone();
  yield* written(
    kernel,
    () => (disk.writeExit(id, { ...end, isFinal, isRefused: refusal !== undefined }), true),
  );
  yield {};
  tell(refusal ? { kind: "refused", refusal } : { kind: "ended", end });
  if (isRecordedFirst) kernel.reap(leader);
  if (!isFinal) {
    yield* reaping(kernel, self, undefined, isAlone);
    yield {};
    yield* written(kernel, () => (disk.writeUsage(id, USAGE), true));
    yield {};
  }
  tell({ kind: "empty", usage: USAGE });
  yield {};
  return exit(0);
}

const KILLED: Refusal = { why: "it was killed before it could execute the command", by: "job" };

function isZombie({ state }: Process): boolean {
  return state !== "alive";
}

/** Until something is so; meanwhile orphans that have ended are reaped. */
function* reaping(
  kernel: Kernel,
  self: Process,
  leader: Process | undefined,
  isSo: () => boolean | undefined,
): Generator<Waiting, void> {
  const ended = () =>
    kernel.childrenOf(self).filter((child) => child !== leader && child.state === "zombie");
  for (;;) {
    yield { until: () => isSo() === true || ended().length > 0 };
    for (const child of ended()) kernel.reap(child);
    if (isSo()) return;
  }
}

/** Tries every second while the disk is full. False when it cannot be, as the run's directory is gone. */
function* written(kernel: Kernel, write: () => boolean): Generator<Waiting, boolean> {
  for (;;) {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof DiskFull)) return false;
      yield { untilMs: kernel.bootMs + RETRY_MS };
    }
  }
}

function* lead(
  ground: Ground,
  shim: Process,
  self: Process,
  { command, cgroup }: ShimStart,
  pipes: Pipes,
): Script {
  const { kernel } = ground;
  const plan = planOf(command);
  yield { until: () => pipes.hasWord || isZombie(shim) };
  if (!pipes.hasWord) return exit(NOT_STARTED);
  self.startStep = "entering its directory";
  kernel.setsid(self);
  yield { until: () => !plan.isRemote || !ground.isHung() };
  const why = plan.isMissing
    ? "command not found"
    : cgroup !== undefined && self.cgroup !== cgroup
    ? "cannot join its cgroup"
    : undefined;
  if (why !== undefined) {
    pipes.refusal = { why, by: "job" };
    yield {};
    return exit(NOT_STARTED);
  }
  self.isBecoming = true;
  yield {};
  self.isBecoming = false;
  self.startStep = undefined;
  pipes.hasExecuted = true;
  ground.onExec();
  self.ignoresTerm = plan.ignoresTerm;
  const endMs = kernel.bootMs + plan.lastsMs;
  for (const child of plan.children) {
    yield {};
    startChild(kernel, self, child);
  }
  yield { untilMs: endMs };
  return plan.exit;
}

function startChild(kernel: Kernel, parent: Process, plan: Child): void {
  const { lastsMs, ownSession, ignoresTerm, forksTwice, clearsEnvironment } = plan;
  const child = kernel.fork({ kind: "child", job: parent.job, ignoresTerm }, parent);
  if (ownSession) kernel.setsid(child);
  if (clearsEnvironment) child.token = undefined;
  child.script = forksTwice ? forkAgain(kernel, child, plan) : last(kernel, child, lastsMs);
}

/** What nobody can find ends by itself, or it would stay for ever. */
function* last(kernel: Kernel, self: Process, lastsMs: number): Script {
  const beganMs = kernel.bootMs;
  const isLost = () => !canBeFound(self) && kernel.bootMs >= beganMs + LOST_MS;
  yield { untilMs: beganMs + lastsMs, orWhen: isLost };
  return exit(0);
}

function* forkAgain(kernel: Kernel, self: Process, plan: Child): Script {
  yield {};
  startChild(kernel, self, { ...plan, forksTwice: false });
  yield {};
  return exit(0);
}

export function* sleep(untilMs: number): Script {
  yield { untilMs };
  return exit(0);
}

function identityOf({ pid, startTicks }: Process) {
  return { pid, startTicks };
}
