/**
 * What simulated shims and jobs do, step by step: the shim as `src/host/shim_script.ts` has it, the
 * job as its plan says. The plan travels in the command, as a program's arguments would.
 */

import type { ExitStatus } from "../../src/job/exit_status.ts";
import type { ShimStart } from "../../src/ports.ts";
import type { Disk } from "./disk.ts";
import type { Kernel, Process, Waiting } from "./kernel.ts";

export interface Child {
  readonly lastsMs: number;
  readonly ownSession: boolean;
  readonly ignoresTerm: boolean;
  /** Where there is a cgroup: nothing else finds it then. */
  readonly clearsEnvironment?: boolean;
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

/** A shell reports death by signal n as 128+n. */
export function shellStatus({ code, signal }: ExitStatus): number {
  return signal ? 128 + signal : code;
}

const CLAIM_LOST = 97, RUN_GONE = 98, NOT_STARTED = 127;
const RETRY_MS = 1000;

type Script = Generator<Waiting, ExitStatus>;

export interface Ground {
  readonly kernel: Kernel;
  readonly disk: Disk;
  /** Whether remote file systems do not answer now. */
  readonly isHung: () => boolean;
  /** Called when a job's command is executed. */
  readonly onExec: (id: number) => void;
}

const exit = (code: number): ExitStatus => ({ code, signal: 0 });

export function* shim(ground: Ground, self: Process, start: ShimStart): Script {
  const { kernel, disk } = ground;
  const { id, attempt, token } = start;
  yield {};
  if (
    !(yield* written(ground, id, () => {
      return disk.writeClaim(id, attempt, { kind: "unsigned" });
    }))
  ) return exit(disk.hasRun(id) ? CLAIM_LOST : RUN_GONE);
  yield {};
  const signed = { kind: "signed", shim: identityOf(self), token } as const;
  yield* written(ground, id, () => (disk.signClaim(id, attempt, signed), true));
  yield {};
  const leader = kernel.fork({ kind: "leader", job: id, token }, self);
  leader.script = lead(ground, leader, start);
  yield { until: () => leader.state === "zombie" };
  const status = shellStatus(leader.exit!);
  kernel.reap(leader);
  yield {};
  yield* written(ground, id, () => (disk.writeExit(id, status), true));
  yield {};
  return exit(0);
}

/** Tries every second while the disk is full, for as long as the run's directory is there. */
function* written(
  { kernel, disk }: Ground,
  id: number,
  write: () => boolean,
): Generator<Waiting, boolean> {
  for (;;) {
    if (!disk.hasRun(id)) return false;
    try {
      return write();
    } catch {
      yield { untilMs: kernel.bootMs + RETRY_MS };
    }
  }
}

function* lead(ground: Ground, self: Process, { id, command, cgroup }: ShimStart): Script {
  const { kernel, disk } = ground;
  const plan = planOf(command);
  self.startStep = "entering its directory";
  yield {};
  yield* written(ground, id, () => (disk.writeLeader(id, identityOf(self)), true));
  yield {};
  const refusal = plan.isMissing
    ? "command not found"
    : cgroup !== undefined && !kernel.cgroups.has(cgroup)
    ? "cannot join its cgroup"
    : undefined;
  if (refusal !== undefined) {
    yield* written(ground, id, () => (disk.writeRefused(id, refusal), true));
    return exit(NOT_STARTED);
  }
  self.cgroup = cgroup;
  yield { until: () => !plan.isRemote || !ground.isHung() };
  kernel.setsid(self);
  yield {};
  self.startStep = undefined;
  ground.onExec(id);
  self.ignoresTerm = plan.ignoresTerm;
  const endMs = kernel.bootMs + plan.lastsMs;
  for (const child of plan.children) {
    yield {};
    startChild(kernel, self, child);
  }
  yield { untilMs: endMs };
  return plan.exit;
}

function startChild(kernel: Kernel, parent: Process, plan: Child) {
  const { lastsMs, ownSession, ignoresTerm } = plan;
  const { job } = parent;
  const token = plan.clearsEnvironment && parent.cgroup ? undefined : parent.token;
  const child = kernel.fork({ kind: "child", job, token, ignoresTerm }, parent);
  if (ownSession) kernel.setsid(child);
  child.script = sleep(kernel.bootMs + lastsMs);
}

export function* sleep(untilMs: number): Script {
  yield { untilMs };
  return exit(0);
}

function identityOf({ pid, startTicks }: Process) {
  return { pid, startTicks };
}
