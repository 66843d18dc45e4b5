/**
 * One history: actions carried out on a world, then time for everything to settle. A history that
 * breaks a promise is shrunk to the few actions that do it.
 */

import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { cancel } from "../../src/supervisor/changes/cancel.ts";
import { hold, release } from "../../src/supervisor/changes/hold.ts";
import type { ChangeParts } from "../../src/supervisor/changes/parts.ts";
import { prune } from "../../src/supervisor/changes/prune.ts";
import type { Changed, Named } from "../../src/supervisor/changes/several.ts";
import { signal } from "../../src/supervisor/changes/signal.ts";
import { submit } from "../../src/supervisor/changes/submit.ts";
import { SIGCONT } from "../../src/ports.ts";
import type { Decide } from "../../src/supervisor/loop.ts";
import { Chance } from "./chance.ts";
import type { Action, Victim } from "./actions.ts";
import type { Process } from "./kernel.ts";
import { commandOf, sleep } from "./scripts.ts";
import { type Fact, POOL, Truth, Violation } from "./truth.ts";
import { CHECK_MS, KEEPER_ROOM, World } from "./world.ts";

export interface Outcome {
  readonly violation?: string;
  readonly trace: readonly string[];
  /** Starts of a supervisor. */
  readonly starts: number;
  /** Jobs that ended, by reason. */
  readonly ends: ReadonlyMap<string, number>;
}

const SETTLE_STEPS = 30_000;
const LAST_STEPS = 120;
const RESTART_STEPS = 20;

const VICTIMS = {
  killShim: "shim",
  killLeader: "leader",
  killKeeper: "keeper",
  stopShim: "shim",
  stopLeader: "leader",
  stopKeeper: "keeper",
} as const;

export function play(actions: readonly Action[], seed: number): Outcome {
  const truth = new Truth();
  const world = new World(truth, new Chance(seed));
  truth.world = world;
  const player = new Player(world, truth);
  let starts = 0;
  const start = world.start;
  world.start = (...args) => (starts++, start.apply(world, args));
  const outcome = (violation?: string) => {
    return { violation, trace: world.trace, starts, ends: truth.ends };
  };
  try {
    world.start();
    player.setPool(2, false);
    for (const action of actions) player.act(action);
    player.settle();
    return outcome(truth.broken?.message);
  } catch (error) {
    const first = truth.broken ?? error;
    if (first instanceof Violation) return outcome(first.message);
    return outcome(first instanceof Error ? first.stack ?? first.message : String(first));
  }
}

class Player {
  #specs = new Map<string, object>();
  /** Changes that were asked for so far. */
  #changes = 0;

  constructor(private readonly world: World, private readonly truth: Truth) {}

  act(action: Action): void {
    const { world, truth } = this;
    const chance = new Chance(action.seed);
    world.tell(`-- ${JSON.stringify(action)}`);
    switch (action.kind) {
      case "submit":
        return this.#submit(action, chance);
      case "askAgain": {
        const open = truth.unacknowledged();
        return open.length > 0 ? this.#ask(chance.pick(open)) : undefined;
      }
      case "cancel":
        return this.#change(chance, "cancel", cancel, (fact) => fact.isCancelAsked = true);
      case "signal":
        return this.#change(
          chance,
          "signal",
          (changes, named) => signal(changes, named, 18),
          (fact) => fact.isSignalled = true,
        );
      case "several":
        return this.#changeSeveral(action, chance);
      case "slow":
        world.callMs = action.ms;
        return;
      case "hold":
        return this.#change(chance, "hold", hold);
      case "release":
        return this.#change(chance, "release", release);
      case "pool":
        return this.setPool(action.limit, action.paused);
      case "prune":
        // A key is known for as long as its job is, so nobody prunes who may still ask again.
        if (truth.unacknowledged().length > 0) return;
        return world.deliver(
          "prune",
          ({ supervisor, changes }) => {
            truth.pruning = world.life;
            supervisor.request(prune(changes, 0), () => truth.pruning = undefined);
          },
        );
      case "drain":
        return this.#drain(action.isOn);
      case "terminate":
        truth.isShuttingDown = true;
        return world.deliver("terminate", ({ supervisor }) => supervisor.terminate());
      case "handOver":
        return world.handOver(action.andReplace);
      case "kill":
        return world.die("by SIGKILL");
      case "killShim":
      case "killLeader":
      case "killKeeper":
        return this.#kill(VICTIMS[action.kind], chance);
      case "killAt":
        return world.killAt(action.calls, () => this.#kill(action.what, chance));
      case "stopShim":
      case "stopLeader":
      case "stopKeeper":
        return this.#stop(VICTIMS[action.kind], chance);
      case "continue":
        return this.#continue();
      case "removeRun":
        if (!action.atFence) return this.#removeRun(chance);
        world.faults.removesAtFence = true;
        return;
      case "busyKeeper":
        world.keeperRoom = action.room;
        world.keeperMs = action.ms;
        world.hadFaults ||= action.late;
        world.faults.lateNews = action.late;
        return;
      case "reboot":
        truth.hurt();
        return world.reboot();
      case "start":
        return world.life ? undefined : world.start();
      case "crashAt":
        return world.crashAt(action.calls, action.where);
      case "run":
        return this.#run(action.steps, chance);
      case "sleep":
        return world.sleep(action.ms);
      case "suspend":
        world.kernel.bootMs += action.ms;
        return;
      case "jump":
        return world.moveClock(action.ms);
      case "strangers":
        return this.#strangers(action.count, chance);
      case "reusePids":
        return this.#reusePids(chance);
      case "pidAttack":
        world.die("by SIGKILL");
        this.#kill("shim", chance);
        this.#kill("leader", chance);
        world.sleep(1000);
        this.#reusePids(chance);
        return world.start();
      case "hide":
        world.hadFaults = true;
        world.faults.hidden = new Set([chance.pick([...world.kernel.processes.keys()])]);
        return;
      case "journal":
        world.faults.journal = { kind: action.fault, left: action.count };
        return;
      case "hang":
        world.isHung = action.isOut;
        return;
      case "disk":
        world.hadFaults = true;
        world.disk.isFull = action.isOut;
        return;
      case "descriptors":
        world.hadFaults = true;
        world.faults.noDescriptors = action.isOut;
        return;
      case "hints":
        world.hadFaults = true;
        world.faults.loseHints = action.isOut ? 2 : undefined;
        return;
      case "scarce":
        world.keeperMs = 1000;
        world.hadFaults = true;
        world.faults.lateNews = true;
        world.faults.noProcessesTillMs = world.kernel.bootMs + action.ms;
        return;
      case "processes":
        world.faults.noProcesses = action.isOut;
        return;
    }
  }

  /** Nothing fails any more: every job must come to its end. */
  settle(): void {
    const { world, truth } = this;
    world.tell("-- settle");
    world.faults = {};
    world.callMs = 0;
    world.isHung = false;
    world.keeperRoom = KEEPER_ROOM;
    world.keeperMs = 0;
    world.disk.isFull = false;
    world.crashAt(Infinity, "before");
    world.killAt(Infinity, () => {});
    // Shims and its own keeper are the supervisor's to see to.
    this.#continue(({ kind, parent }) =>
      kind === "leader" || (kind === "keeper" && parent?.kind !== "supervisor")
    );
    const chance = new Chance(1);
    if (world.life?.supervisor.isClosing) world.die("having ended its jobs");
    if (!world.life) world.start();
    world.deliver(
      "resume",
      ({ supervisor }) => supervisor.request(() => supervisor.setDraining(false), () => {}),
    );
    for (let step = 0; step < SETTLE_STEPS && !truth.broken; step++) {
      world.step(chance);
      if (!world.isIdle) continue;
      const { degraded, draining, queued, running } = world.life!.supervisor.status;
      if (degraded !== undefined) continue;
      if (draining) this.#drain(false);
      else if (queued + running === 0) break;
      else if (queued > 0) this.#letGo();
    }
    // The regular check finds what nothing has told of.
    world.sleep(CHECK_MS);
    this.#continue();
    this.#run(LAST_STEPS, chance);
    truth.onCommit();
    truth.checkSettled();
  }

  setPool(limit: number, paused: boolean): void {
    this.world.deliver(`pool of ${limit}`, ({ supervisor }) => {
      supervisor.request(() => supervisor.roster.pools.set(POOL, { limit, paused }), () => {});
    });
  }

  /** What waits for somebody waits no more. */
  #letGo(): void {
    const { roster } = this.world.life!.supervisor;
    if (roster.pools.get(POOL)?.paused) this.setPool(2, false);
    for (const job of roster.all()) {
      if (job.state !== "QUEUED" || !job.held) continue;
      this.#changes++;
      this.world.deliver(`release ${job.id}`, ({ supervisor, changes }) => {
        supervisor.request(release(changes, one(job.id)), () => {});
      });
    }
  }

  #drain(isOn: boolean): void {
    this.world.deliver(isOn ? "drain" : "resume", ({ supervisor }) => {
      supervisor.request(() => supervisor.setDraining(isOn), () => {});
    });
  }

  #run(steps: number, chance: Chance): void {
    for (let step = 0; step < steps && !this.truth.broken; step++) {
      // As systemd would.
      if (!this.world.life && chance.oneIn(RESTART_STEPS)) this.world.start();
      this.world.step(chance);
    }
  }

  #submit(action: Action & { kind: "submit" }, chance: Chance): void {
    const { key, plan, cpus, timeout, grace, priority, follows, inPool, hold, pin, size } = action;
    const known = this.truth.acknowledged();
    const after = follows && known.length > 0 ? [chance.pick(known)] : [];
    this.truth.submitted(key, plan, timeout * 1000, size);
    const command = commandOf(plan);
    const waits = { after, hold, pin, pool: inPool ? POOL : undefined };
    const array = size > 0 ? `1-${size}` : undefined;
    this.#specs.set(key, { key, command, cpus, timeout, grace, priority, ...waits, array });
    this.#ask(key);
  }

  #ask(key: string): void {
    const spec = readSpec(this.#specs.get(key));
    if (isInvalid(spec)) throw new Error(`${spec.field} ${spec.message}`);
    this.world.deliver(
      `submit ${key}`,
      (life) =>
        life.supervisor.request(submit(life.changes, spec, 0), (answer) => {
          if (life.isDead || !("value" in answer)) return;
          this.truth.onAcknowledged(key, answer.value.job.id);
          this.world.tell(`acknowledged ${key} as ${answer.value.job.id}`);
        }),
    );
  }

  #changeSeveral({ what, count, wholeArrays }: Action & { kind: "several" }, chance: Chance): void {
    const known = this.truth.acknowledged();
    if (known.length === 0) return;
    const ids = Array.from({ length: count }, () => chance.oneIn(9) ? 9999 : chance.pick(known));
    const named = { ids, wholeArrays, isList: true };
    const change = ++this.#changes;
    this.world.deliver(`${what} ${ids}${wholeArrays ? " with their arrays" : ""}`, (life) => {
      const decide = { cancel, hold, release }[what](life.changes, named);
      const noted: Decide<Changed> = (mayGoOn) => {
        if (what === "cancel") this.truth.onCancelAsked(ids, wholeArrays);
        return decide(mayGoOn);
      };
      life.supervisor.request(noted, (answer) => {
        // It tells how they are when it is written: a later change may have come between.
        if (life.isDead || !("value" in answer) || change !== this.#changes) return;
        this.truth.onChanged(what, answer.value.outcomes ?? []);
      });
    });
  }

  #change(
    chance: Chance,
    what: string,
    change: (changes: ChangeParts, named: Named) => Decide<unknown>,
    note: (fact: Fact) => void = () => {},
  ): void {
    const live = this.truth.acknowledged().filter((id) => !this.truth.hasEnded(id));
    const known = chance.oneIn(4) ? this.truth.acknowledged() : live;
    if (known.length === 0) return;
    const id = chance.pick(known);
    this.#changes++;
    this.world.deliver(`${what} ${id}`, (life) => {
      const decide = change(life.changes, one(id));
      const noted: Decide<unknown> = (mayGoOn) => {
        note(this.truth.ofId(id)!);
        return decide(mayGoOn);
      };
      life.supervisor.request(noted, () => {});
    });
  }

  #kill(kind: Victim, chance: Chance): void {
    const target = this.#oneOf(kind, chance);
    if (!target) return;
    this.#hurt("killed", target);
    this.world.kernel.end(target, { code: 0, signal: 9 });
  }

  #stop(kind: Victim, chance: Chance): void {
    const target = this.#oneOf(kind, chance);
    if (!target) return;
    this.#hurt("stopped", target);
    this.world.kernel.stop(target);
  }

  #continue(which: (one: Process) => boolean = () => true): void {
    const { kernel } = this.world;
    for (const process of [...kernel.processes.values()]) {
      if (process.isStopped && which(process)) kernel.signal(process, SIGCONT);
    }
  }

  #oneOf(kind: Victim, chance: Chance): Process | undefined {
    const targets = [...this.world.kernel.processes.values()].filter((process) =>
      process.kind === kind && process.state === "alive"
    );
    return targets.length > 0 ? chance.pick(targets) : undefined;
  }

  #hurt(how: string, { kind, pid, job }: Process): void {
    this.world.tell(`${kind} ${pid} of job ${job} is ${how}`);
    this.truth.hurt(({ id }) => id === job);
  }

  #removeRun(chance: Chance): void {
    const { world, truth } = this;
    const ids = world.disk.runIds().filter((id) => !truth.hasEnded(id));
    if (ids.length === 0) return;
    const id = chance.pick(ids);
    world.tell(`the run directory of job ${id} is removed`);
    truth.onRunLost(id);
    world.disk.removeRun(id);
  }

  #strangers(count: number, chance: Chance): void {
    const { kernel } = this.world;
    for (let i = 0; i < count && kernel.processes.size < 40; i++) this.#stranger(chance);
  }

  #reusePids(chance: Chance): void {
    for (const pid of this.world.kernel.freedPids()) this.#stranger(chance, pid);
  }

  #stranger(chance: Chance, pid?: number): void {
    const { kernel } = this.world;
    const stranger = kernel.fork({ kind: "stranger", ignoresTerm: true }, undefined, pid);
    kernel.setsid(stranger);
    stranger.script = sleep(kernel.bootMs + chance.below(chance.oneIn(4) ? 20_000 : 50));
  }
}

function one(id: number): Named {
  return { ids: [id], wholeArrays: false, isList: false };
}

/** Leaves out what it can while the history still breaks the same promise. */
export function shrink(actions: readonly Action[], seed: number): Action[] {
  const shape = (violation?: string) => violation?.replace(/\d+/g, "N");
  const wanted = shape(play(actions, seed).violation);
  let kept = [...actions];
  for (let size = kept.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < kept.length;) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (shape(play(fewer, seed).violation) === wanted) kept = fewer;
      else at += size;
    }
  }
  return kept;
}
