/**
 * A simulated node: kernel, disk, clock and journal behind the ports, and the real supervisor on top,
 * which dies wherever it is told to: before, in or after any call of a port.
 */

import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../src/store/database.ts";
import { JournalUnavailable } from "../../src/store/journal.ts";
import { LogBounds } from "../../src/supervisor/log_bounds.ts";
import type { HearShim, Introduction, ShimStart } from "../../src/ports.ts";
import type { ChangeParts } from "../../src/supervisor/changes/parts.ts";
import { SteadyClock } from "../../src/supervisor/steady_clock.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { Upkeep } from "../../src/supervisor/upkeep.ts";
import type { Chance } from "./chance.ts";
import { Disk } from "./disk.ts";
import { Kernel, type Process } from "./kernel.ts";
import { Line } from "./line.ts";
import { portsOf } from "./ports.ts";

/** What stops the supervisor's code where it has died. Nothing that it does then has any effect. */
export class Died extends Error {
  constructor() {
    super("died");
  }
}

export type Where = "before" | "in" | "after";

/** refuse: not begun; full: cannot commit; torn: the commit is told as failed, and is there. */
export type JournalFault = "refuse" | "full" | "torn";

export interface Faults {
  /** It strikes `left` transactions more. */
  journal?: { readonly kind: JournalFault; left: number };
  noDescriptors?: boolean;
  noProcesses?: boolean;
  /** ms since boot */
  noProcessesTillMs?: number;
  /** One hint in so many gets lost. */
  loseHints?: number;
  /** The next fence finds its run directory removed. */
  removesAtFence?: boolean;
  /** Half of the news arrive late. */
  lateNews?: boolean;
  /** These pids cannot be looked at. */
  hidden?: Set<number>;
}

/** Who watches what the world does. */
export interface Witness {
  onRunLost(id: number): void;
  onFenced(id: number, hadRun: boolean): void;
  onGreeted(id: number, attempt: number, isHeard: boolean): void;
  /** A start is asked for. */
  onAsked(start: ShimStart): void;
  /** A leader is born; its name is on disk. */
  onLeader(id: number, hasName: boolean): void;
  onExec(id: number): void;
  onEnded(ended: Process): void;
  onRecordedWhileLookedAt(id: number): void;
  onSignal(target: Process, signal: number): void;
  /** The supervisor has been told its exit status, and nobody else will be. */
  onReaped(child: Process): void;
  onCommit(): void;
  onRunRemoved(id: number): void;
  onMistake(what: string): void;
  /** Nothing is left to be done, and no hint has been lost, when the regular check comes. */
  onNeedlessCheck(): void;
}

/** Who looks away. */
export const NOBODY: Witness = {
  onRunLost() {},
  onFenced() {},
  onGreeted() {},
  onAsked() {},
  onLeader() {},
  onExec() {},
  onEnded() {},
  onRecordedWhileLookedAt() {},
  onSignal() {},
  onReaped() {},
  onCommit() {},
  onRunRemoved() {},
  onMistake() {},
  onNeedlessCheck() {},
};

interface Timer {
  readonly atMs: number;
  readonly go: () => void;
}

/** Fewer than it gives out, so that pinned jobs wait for one another. */
const CPU_IDS = [0, 1, 2];
export const CAPACITY = { cpus: 4, memory: 1000, pinned: CPU_IDS.length };
/** So few that a history comes to it. */
export const LARGE = 3;
export const CHECK_MS = 300_000;
export const KEEPER_ROOM = 3;
/** More than any history takes: only a clock that is moved makes anything seem as old. */
export const RETENTION_MS = 2 * 86_400_000;
const LOG_LIMIT = 1e15;

/** One supervisor's life, from its start to its death. */
export interface Life {
  readonly process: Process;
  readonly supervisor: Supervisor;
  readonly changes: ChangeParts;
  /** Who shims that reach us are told to; absent while we do not listen. */
  greet?: (who: Introduction) => HearShim | undefined;
  isDead: boolean;
}

export class World {
  readonly kernel = new Kernel();
  readonly disk = new Disk(() => this.wallMs);
  readonly database: DatabaseSync;
  readonly trace: string[] = [];
  faults: Faults = {};
  /** Something could not be seen, told or written, so that the regular check may find it alone. */
  hadFaults = false;
  /** The supervisor is in the middle of a look. */
  isLooking = false;
  hasBallast = false;
  /** Remote file systems do not answer. */
  isHung = false;
  /** How long each call of a port takes. */
  callMs = 0;
  /** Starts that a keeper holds before it is busy, and how long it takes over each. */
  keeperRoom = KEEPER_ROOM;
  keeperMs = 0;
  life?: Life;
  wallOffsetMs = 1.7e12;
  /** By how much the wall clock has been moved. */
  movedMs = 0;
  /** Counts while the node is awake: what timers go by. */
  monoMs = 0;
  #crash?: { calls: number; where: Where };
  #kill?: { calls: number; go: () => void };
  #soon: (() => void)[] = [];
  #hints: (() => void)[] = [];
  #timers = new Set<Timer>();
  #tokens = 0;

  readonly hasCgroups: boolean;

  constructor(readonly witness: Witness, private readonly chance: Chance) {
    this.hasCgroups = chance.oneIn(2);
    this.database = emptyDatabase();
    this.kernel.onChildEnded = () => this.hint(() => this.life!.supervisor.childrenEnded());
    this.kernel.onEnded = (process) => witness.onEnded(process);
  }

  get wallMs(): number {
    return this.kernel.bootMs + this.wallOffsetMs;
  }

  /** What the wall clock would show if nobody had moved it. */
  get realMs(): number {
    return this.wallMs - this.movedMs;
  }

  /** Of what the clock was moved forward before a reboot, and no supervisor had noted: time off, to all appearances. */
  believedMs = 0;
  #notedMovedMs = 0;

  moveClock(ms: number): void {
    this.wallOffsetMs += ms;
    this.movedMs += ms;
  }

  tell(what: string): void {
    this.trace.push(`${this.kernel.bootMs} ${what}`);
  }

  /** The supervisor dies at the `calls`-th call of a port from now. */
  crashAt(calls: number, where: Where): void {
    this.#crash = { calls, where };
  }

  /** Somebody kills a process in the `calls`-th call of a port from now. */
  killAt(calls: number, go: () => void): void {
    this.#kill = { calls, go };
  }

  /** A new supervisor recovers; it may die in that. `process`: what it goes on in, after an exec. */
  start(process = this.kernel.fork({ kind: "supervisor" })): void {
    this.tell(`start pid ${process.pid}`);
    const life = { process, isDead: false } as { -readonly [K in keyof Life]: Life[K] };
    this.life = life;
    try {
      const newToken = () => `token-${++this.#tokens}`;
      const ports = portsOf(this, life);
      this.hasBallast = this.chance.oneIn(2);
      const logBounds = new LogBounds({ ...ports, limitOf: () => LOG_LIMIT, reserve: 0 });
      const parts = {
        ...ports,
        steady: new SteadyClock(ports).start(),
        capacity: CAPACITY,
        cpuIds: CPU_IDS,
        logBounds,
        newToken,
        large: LARGE,
      };
      const supervisor = life.supervisor = new Supervisor(parts);
      const changes = life.changes = {
        ...parts,
        supervisor,
        maxQueued: 1000,
        limits: { defaults: {}, maxima: {}, cpuIds: CPU_IDS, canLimitProcesses: false },
        user: "root",
        retentionMs: RETENTION_MS,
      };
      const upkeep = new Upkeep({
        ...parts,
        supervisor,
        changes,
        alertAbove: 10,
        unknownRuns: 0,
      });
      upkeep.start();
      supervisor.begin();
      const check = () => {
        const isNeedless = !this.hadFaults && this.isIdle && !this.#isKeeperSlow;
        if (isNeedless && !supervisor.status.degraded) this.witness.onNeedlessCheck();
        upkeep.check();
        this.#notedMovedMs = this.movedMs;
        parts.clock.after(CHECK_MS, check);
      };
      parts.clock.after(CHECK_MS, check);
    } catch (error) {
      // A start that the journal refuses ends with a message; systemd tries again.
      if (!life.isDead && !(error instanceof JournalUnavailable)) throw error;
      this.die("in its start");
    }
  }

  die(how: string): void {
    const { life } = this;
    if (!life || life.isDead) return;
    this.tell(`supervisor dies ${how}`);
    life.isDead = true;
    this.#forget();
    if (life.process.state === "alive") this.kernel.end(life.process, { code: 0, signal: 9 });
    this.life = undefined;
  }

  /** As by SIGTERM, or by SIGHUP, after which the same process is another supervisor. */
  handOver(andReplace: boolean): void {
    const { life } = this;
    if (!life) return;
    life.supervisor.handOver();
    if (!andReplace) return this.die("by SIGTERM");
    life.isDead = true;
    this.#forget();
    this.start(life.process);
  }

  reboot(): void {
    this.tell("reboot");
    this.believedMs += Math.max(0, this.movedMs - this.#notedMovedMs);
    this.#notedMovedMs = this.movedMs;
    this.die("with the node");
    this.disk.powerCut(this.chance);
    const before = this.wallMs;
    this.kernel.reboot();
    this.wallOffsetMs = before + 60_000 - this.kernel.bootMs;
  }

  /** Something that came from outside reaches the supervisor, if there is one. */
  deliver(what: string, go: (life: Life) => void): void {
    const { life } = this;
    if (!life) return;
    this.tell(what);
    this.#run(() => go(life));
  }

  /** One thing happens: a step of a process or of the supervisor, or time passes. */
  step(chance: Chance): void {
    const ready = this.kernel.ready();
    const due = [...this.#timers].filter(({ atMs }) => atMs <= this.monoMs);
    const mine = this.#soon.length > 0 ? 1 : this.#hints.length + due.length;
    if (mine === 0 && ready.length === 0) return this.#pass();
    const turn = chance.below(ready.length + (mine > 0 ? 2 : 0));
    if (turn < ready.length) return this.kernel.step(ready[turn]!);
    if (this.#soon.length > 0) return this.#run(this.#soon.shift()!);
    if (this.#hints.length > 0 && (due.length === 0 || chance.oneIn(2))) {
      const [hint] = this.#hints.splice(chance.below(this.#hints.length), 1);
      return this.#run(hint!);
    }
    const timer = chance.pick(due);
    this.#timers.delete(timer);
    this.#run(timer.go);
  }

  /** While the supervisor is in a call of a port, processes go on, to their end even. */
  letGoOn(which: (one: Process) => boolean = () => true): void {
    const recorded = this.disk.exitIds();
    const ready = () => this.kernel.ready().filter(which);
    this.isLooking = true;
    for (let able; (able = ready()).length > 0 && !this.chance.oneIn(4);) {
      this.kernel.step(this.chance.pick(able));
    }
    this.isLooking = false;
    for (const id of this.disk.exitIds()) {
      if (!recorded.includes(id)) this.witness.onRecordedWhileLookedAt(id);
    }
  }

  /** Whether nothing is left to be done before time passes. */
  get isIdle(): boolean {
    return this.#soon.length + this.#hints.length + this.kernel.ready().length === 0 &&
      ![...this.#timers].some(({ atMs }) => atMs <= this.monoMs);
  }

  /** As long as a call of a port takes. Returns when that is. */
  takeTime(): number {
    this.sleep(this.callMs);
    return this.kernel.bootMs;
  }

  get #isKeeperSlow(): boolean {
    return this.keeperMs > 0 ||
      [...this.kernel.processes.values()].some(({ kind, isStopped }) =>
        kind === "keeper" && isStopped
      );
  }

  sleep(ms: number): void {
    this.kernel.bootMs += ms;
    this.monoMs += ms;
  }

  /** Time goes on to the next thing that is to happen; a second when nothing is. */
  #pass(): void {
    const timers = [...this.#timers].map(({ atMs }) => atMs - this.monoMs);
    const next = Math.min(...timers, this.kernel.nextWakeMs() - this.kernel.bootMs);
    this.sleep(Number.isFinite(next) ? Math.max(1, next) : 1000);
  }

  #run(go: () => void): void {
    const { life } = this;
    try {
      go();
    } catch (error) {
      if (!life?.isDead) throw error;
    }
  }

  #forget(): void {
    this.#soon = [];
    this.#hints = [];
    this.#timers.clear();
    this.#crash = undefined;
  }

  /** A call of a port. Dies before or after it, if it is time. */
  call<T>(life: Life, name: string, act: () => T): T {
    if (life.isDead) throw new Died();
    const crash = this.#crash;
    const isTime = crash !== undefined && --crash.calls <= 0;
    if (isTime && crash.where !== "after") this.#dieIn(`before ${name}`);
    if (this.chance.oneIn(8)) this.letGoOn();
    if (this.#kill && --this.#kill.calls <= 0) {
      const { go } = this.#kill;
      this.#kill = undefined;
      this.isLooking = true;
      go();
      this.isLooking = false;
    }
    this.takeTime();
    const result = act();
    if (isTime) this.#dieIn(`after ${name}`);
    return result;
  }

  /** Within a transaction, when all of it has been done: dies if it is time, or has died before. */
  dieBeforeCommit(life: Life): void {
    const crash = this.#crash;
    if (crash?.where === "in" && --crash.calls <= 0) this.#dieIn("in transact");
    if (life.isDead) throw new Died();
  }

  soon(life: Life, go: () => void): void {
    if (!life.isDead) this.#soon.push(go);
  }

  after(life: Life, delayMs: number, go: () => void): () => void {
    const timer = { atMs: this.monoMs + delayMs, go };
    if (!life.isDead) this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Something that may get lost is told to the supervisor. */
  hint(go: () => void): void {
    if (this.life && !this.isLost()) this.#hints.push(go);
  }

  /** Something that does not get lost, in any order. */
  event(life: Life, go: () => void): void {
    if (!life.isDead) this.#hints.push(go);
  }

  get canFork(): boolean {
    const { noProcesses, noProcessesTillMs = 0 } = this.faults;
    return !noProcesses && this.kernel.bootMs >= noProcessesTillMs;
  }

  /** Whether what is told now gets lost. */
  isLost(): boolean {
    const { loseHints } = this.faults;
    return loseHints !== undefined && this.chance.oneIn(loseHints);
  }

  /** How much later it arrives. */
  lateMs(below: number): number {
    const { loseHints, lateNews } = this.faults;
    return (loseHints || lateNews) && this.chance.oneIn(2) ? this.chance.below(below) : 0;
  }

  isByChance(n: number): boolean {
    return this.chance.oneIn(n);
  }

  /** A shim reaches the supervisor of the moment, if that listens. */
  connect({ id, attempt, token }: ShimStart, shimPid: number): Line | undefined {
    const { life } = this;
    if (!life?.greet || this.isLost()) return undefined;
    const greet = () => {
      const hear = life.greet!({ id, attempt, token, shimPid });
      this.witness.onGreeted(id, attempt, hear !== undefined);
      return hear;
    };
    return new Line(this, life, `job ${id} attempt ${attempt}, adopted,`, { greet });
  }

  #dieIn(where: string): never {
    this.die(where);
    throw new Died();
  }
}

let shared: DatabaseSync | undefined;

/** One in memory for all worlds: to make its tables anew would take most of the time. */
function emptyDatabase(): DatabaseSync {
  shared ??= openDatabase(":memory:", undefined);
  for (
    const table of [
      "events",
      "resource_allocations",
      "jobs",
      "settings",
      "large_changes",
      "sqlite_sequence",
    ]
  ) {
    shared.exec(`DELETE FROM ${table}`);
  }
  return shared;
}
