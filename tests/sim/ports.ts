/**
 * The ports of one supervisor's life on a simulated node. Each call may be the one in which it dies;
 * after that no call has any effect.
 */

import {
  type Check,
  checkIdentity,
  type Ground,
  type Observed,
  type ProcessIdentity,
} from "../../src/job/identity.ts";
import type { Log } from "../../src/job/log.ts";
import {
  type Cgroups,
  type Clock,
  type Files,
  type LogFiles,
  type Processes,
  type ProcessHandle,
  type Shims,
  SIGKILL,
} from "../../src/ports.ts";
import { Journal, JournalUnavailable } from "../../src/store/journal.ts";
import { SimulatedKeeper } from "./keeper.ts";
import { isBelowShim, type Process } from "./kernel.ts";
import { Died, type Life, type World } from "./world.ts";

export function portsOf(world: World, life: Life) {
  return {
    clock: clockOf(world, life),
    files: filesOf(world, life),
    logs: logsOf(world, life),
    processes: new SimulatedProcesses(world, life),
    shims: shimsOf(world, life),
    cgroups: cgroupsOf(world, life),
    journal: new SimulatedJournal(world, life),
    log: logOf(world, life),
  };
}

function clockOf(world: World, life: Life): Clock {
  return {
    wallMs: () => world.wallMs,
    bootMs: () => world.takeTime(),
    soon: (go) => world.soon(life, go),
    after: (delayMs, go) => world.after(life, delayMs, go),
  };
}

function filesOf(world: World, life: Life): Files {
  const { disk } = world;
  const call = <A extends unknown[], T>(name: string, act: (...args: A) => T) => (...args: A): T =>
    world.call(life, `${name} ${args.join(" ")}`, () => act(...args));
  return {
    create: call("create", (id: number) => disk.create(id)),
    claim: call("claim", (id: number, attempt: number) => disk.claim(id, attempt)),
    claimedAtMs: call("claimedAtMs", (id: number, attempt: number) => {
      return disk.claimedAtMs(id, attempt);
    }),
    leader: call("leader", (id: number) => disk.leader(id)),
    startedAtMs: call("startedAtMs", (id: number) => disk.startedAtMs(id)),
    exitRecord: call("exitRecord", (id: number) => disk.exitRecord(id)),
    finalUsage: call("finalUsage", (id: number) => disk.finalUsage(id)),
    hasRun: call("hasRun", (id: number) => disk.hasRun(id)),
    fence: call("fence", (id: number, attempt: number) => {
      if (world.faults.removesAtFence) {
        world.faults.removesAtFence = undefined;
        world.witness.onRunLost(id);
        disk.removeRun(id);
      }
      const hadRun = disk.hasRun(id);
      const isOurs = disk.fence(id, attempt);
      world.witness.onFenced(id, hadRun);
      return isOurs;
    }),
    removeExitRecord: call("removeExitRecord", (id: number) => disk.removeExitRecord(id)),
    removeRun: call("removeRun", (id: number) => {
      world.witness.onRunRemoved(id);
      disk.removeRun(id);
    }),
    runIds: call("runIds", () => disk.runIds()),
    exitIds: call("exitIds", () => disk.exitIds()),
  };
}

/**
 * Jobs write nothing, and nothing is to be read. What is simulated is the ballast: given up, it lets
 * a journal be written that had no room.
 */
function logsOf(world: World, life: Life): LogFiles {
  return {
    look: () => undefined,
    isLost: () => false,
    cut: () => unused(),
    // So many looks at the disk would only take time.
    space: () => undefined,
    takeBallast: () => {},
    giveBallast: () =>
      world.call(life, "giveBallast", () => {
        if (!world.hasBallast) return false;
        world.hasBallast = false;
        world.faults = { ...world.faults, journal: undefined };
        return true;
      }),
    read: () => unused(),
  };
}

function unused(): never {
  throw new Error("no job of a simulation has a log");
}

function cgroupsOf(world: World, life: Life): Cgroups {
  const { kernel } = world;
  const call = <T>(name: string, act: (directory: string) => T) => (directory: string): T =>
    world.call(life, `${name} ${directory}`, () => act(directory));
  return {
    directoryOf: (id, token) => world.hasCgroups ? `/job-${id}-${token}` : undefined,
    make: call("make", (directory) => void kernel.cgroups.add(directory)),
    limit: call("limit", () => {}),
    members: call("members", (directory) => {
      if (world.faults.noDescriptors) throw new Error(TOO_MANY);
      return kernel.membersOf(directory).map(({ pid, startTicks }) => ({ pid, startTicks }));
    }),
    kill: call("kill", (directory) => {
      for (const member of kernel.membersOf(directory)) {
        world.witness.onSignal(member, SIGKILL);
        kernel.signal(member, SIGKILL);
      }
    }),
    usage: () => undefined,
    ranOutOfMemory: () => false,
    remove: call("remove", (directory) => {
      if (kernel.membersOf(directory).length > 0) return false;
      kernel.cgroups.delete(directory);
      return true;
    }),
    directories: () => [...kernel.cgroups],
  };
}

function shimsOf(world: World, life: Life): Shims {
  return {
    openKeeper: (onGone) =>
      world.call(life, "openKeeper", () => {
        if (world.faults.noDescriptors) throw new Error(TOO_MANY);
        if (!world.canFork) throw new Error("Resource temporarily unavailable");
        return new SimulatedKeeper(world, life, onGone);
      }),
    listen: (greet) => world.call(life, "listen", () => void (life.greet = greet)),
  };
}

class SimulatedProcesses implements Processes {
  readonly ground: Ground;

  constructor(private readonly world: World, private readonly life: Life) {
    this.ground = { bootId: String(world.kernel.bootId), pidNamespace: "1" };
  }

  observe(pid: number): Observed {
    return this.world.call(this.life, `observe ${pid}`, () => observe(this.world, pid));
  }

  describe(pid: number): string {
    return String(pid);
  }

  open(identity: ProcessIdentity): ProcessHandle | Exclude<Check, "match"> {
    const { world, life } = this;
    return world.call(life, `open ${identity.pid}`, () => {
      if (world.faults.noDescriptors) throw new Error(TOO_MANY);
      world.letGoOn(({ pid }) => pid === identity.pid);
      const check = checkIdentity(identity, observe(world, identity.pid));
      if (check !== "match") return check;
      return new Handle(world, life, identity, world.kernel.processes.get(identity.pid)!);
    });
  }

  living() {
    const { world, life } = this;
    return world.call(life, "living", () => {
      if (world.faults.noDescriptors) throw new Error(TOO_MANY);
      const seen = [...world.kernel.processes.values()];
      // Who is forked while they are read is not among them.
      if (world.isByChance(4)) world.letGoOn(({ parent }) => isBelowShim(parent));
      return seen
        .filter((other) => other.state === "alive" && other !== life.process)
        .map(({ pid, startTicks, parent, group, session, token, isBecoming }) => {
          const readable = isBecoming ? undefined : token;
          return {
            pid,
            startTicks,
            parent: parent?.pid ?? 0,
            group,
            session,
            token: readable,
            isBecoming,
          };
        });
    });
  }

  descendants(shim: ProcessIdentity): ProcessIdentity[] | undefined {
    const { world, life } = this;
    return world.call(life, `descendants ${shim.pid}`, () => {
      if (world.faults.noDescriptors) throw new Error(TOO_MANY);
      // Who is forked while they are read is not among them.
      const { kernel } = world;
      const below = (parent: Process): Process[] =>
        kernel.childrenOf(parent).filter(({ state }) => state === "alive")
          .flatMap((child) => [child, ...below(child)]);
      const parent = kernel.processes.get(shim.pid);
      if (parent?.startTicks !== shim.startTicks || parent.state !== "alive") return undefined;
      const found = below(parent);
      if (world.isByChance(4)) world.letGoOn(({ parent }) => isBelowShim(parent));
      return found.map(({ pid, startTicks }) => ({ pid, startTicks }));
    });
  }

  killChildren(shim: ProcessIdentity): void {
    const { world, life } = this;
    return world.call(life, `killChildren ${shim.pid}`, () => {
      const { kernel } = world;
      const parent = kernel.processes.get(shim.pid);
      if (parent?.startTicks !== shim.startTicks || parent.state !== "alive") return;
      const alive = () => kernel.childrenOf(parent).filter(({ state }) => state === "alive");
      for (let children; (children = alive()).length > 0;) {
        for (const child of children) {
          world.witness.onSignal(child, SIGKILL);
          kernel.signal(child, SIGKILL);
        }
      }
    });
  }

  reap() {
    const { world, life } = this;
    return world.call(life, "reap", () => {
      const { kernel } = world;
      const ended = kernel.childrenOf(life.process).filter(({ state }) => state === "zombie");
      for (const child of ended) {
        kernel.reap(child);
        world.witness.onReaped(child);
      }
      return ended.map(({ pid, exit }) => ({ pid, exit: exit! }));
    });
  }
}

const TOO_MANY = "Too many open files";

function observe({ faults, kernel }: World, pid: number): Observed {
  if (faults.noDescriptors) return { kind: "unreadable", cause: TOO_MANY };
  return faults.hidden?.has(pid) ? { kind: "unreadable", cause: "hidden" } : kernel.observe(pid);
}

class Handle implements ProcessHandle {
  #watch?: () => void;

  constructor(
    private readonly world: World,
    private readonly life: Life,
    readonly identity: ProcessIdentity,
    private readonly target: Process,
  ) {}

  signal(signal: number): boolean {
    return this.world.call(this.life, "signal", () => this.#send(this.target, signal));
  }

  signalGroup(signal: number): boolean {
    return this.world.call(this.life, "signalGroup", () => {
      const { target, world } = this;
      if (target.state !== "alive") return false;
      const all = [...world.kernel.processes.values()];
      const group = all.filter(({ group }) => group === target.pid);
      if (group.length === 0) return this.#send(target, signal);
      return group.map((member) => this.#send(member, signal)).some(Boolean);
    });
  }

  holdsItsPid(): boolean {
    const { target, world } = this;
    if (target.state !== "gone") return true;
    return [...world.kernel.processes.values()].some(({ group }) => group === target.pid);
  }

  exitStatus() {
    return this.target.state === "gone" ? this.target.exit : undefined;
  }

  whenEnded(go: () => void): void {
    const watch = this.#watch = () => this.world.hint(go);
    if (this.target.state === "alive") this.target.whenEnded.push(watch);
    else watch();
  }

  close(): void {
    this.target.whenEnded = this.target.whenEnded.filter((other) => other !== this.#watch);
  }

  #send(target: Process, signal: number): boolean {
    const { world } = this;
    world.tell(`signal ${signal} to ${target.kind} ${target.pid} of job ${target.job}`);
    world.witness.onSignal(target, signal);
    return world.kernel.signal(target, signal);
  }
}

/** The real journal on a database in memory, which outlives the supervisor. */
class SimulatedJournal extends Journal {
  constructor(private readonly world: World, private readonly life: Life) {
    const open = () => world.database;
    super({ open, reopen: open, close: () => false }, "node");
    this.open();
  }

  override transact<T>(body: () => T): T {
    const { world, life } = this;
    const fault = world.faults.journal;
    const kind = fault && fault.left-- > 0 ? fault.kind : undefined;
    const result = world.call(life, "transact", () => {
      if (kind === "refuse") throw new JournalUnavailable("database or disk is full");
      const result = super.transact(() => {
        const result = body();
        world.dieBeforeCommit(life);
        if (kind === "full") throw new JournalUnavailable("database or disk is full");
        return result;
      });
      world.witness.onCommit();
      return result;
    });
    if (kind === "torn") throw new JournalUnavailable("disk I/O error");
    return result;
  }

  override job(id: number) {
    if (this.life.isDead) throw new Died();
    return super.job(id);
  }
}

/** What the log tells of a failure that nobody has injected is a mistake of ours. */
const INJECTED = /full|Too many|I\/O|space left|No such file/;

function logOf(world: World, life: Life): Log {
  const line = (level: string) => (event: string, facts: object = {}) => {
    if (life.isDead) return;
    const text = `${level} ${event} ${JSON.stringify(facts)}`;
    world.tell(text);
    if (level === "error" && !INJECTED.test(text)) world.witness.onMistake(text);
  };
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    alert: line("alert"),
  };
}
