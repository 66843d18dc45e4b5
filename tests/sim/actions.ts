/** What can be done to a simulated node from outside, and how a seed draws a list of it. */

import type { Pin } from "../../src/job/spec.ts";
import { Chance } from "./chance.ts";
import type { Child, Plan } from "./scripts.ts";
import type { JournalFault, Where } from "./world.ts";

export type Victim = "shim" | "leader" | "keeper";
export type Several = "cancel" | "hold" | "release";

/** `seed`: for the chances within the action, so that leaving out another changes nothing in it. */
export type Action =
  & { readonly seed: number }
  & (
    | {
      readonly kind: "submit";
      readonly key: string;
      readonly plan: Plan;
      readonly cpus: number;
      readonly timeout: number;
      readonly grace: number;
      readonly priority: number;
      readonly follows: boolean;
      readonly pin?: Pin;
      readonly inPool: boolean;
      readonly hold: boolean;
      /** Jobs of an array; 0 for a job alone. */
      readonly size: number;
    }
    | { readonly kind: "hold" | "release" }
    | {
      readonly kind: "several";
      readonly what: Several;
      /** Of those that are known. */
      readonly count: number;
      readonly wholeArrays: boolean;
    }
    | { readonly kind: "pool"; readonly limit: number; readonly paused: boolean }
    | { readonly kind: "askAgain" | "cancel" | "signal" | "prune" | "terminate" | "reboot" }
    | {
      readonly kind:
        | "killShim"
        | "killLeader"
        | "killKeeper"
        | "stopShim"
        | "stopLeader"
        | "stopKeeper"
        | "continue"
        | "reusePids"
        | "pidAttack"
        | "hide"
        | "start"
        | "kill";
    }
    | { readonly kind: "drain"; readonly isOn: boolean }
    | { readonly kind: "handOver"; readonly andReplace: boolean }
    | { readonly kind: "crashAt"; readonly calls: number; readonly where: Where }
    /** The next but so many calls of a port see it killed. */
    | { readonly kind: "killAt"; readonly calls: number; readonly what: Victim }
    /** atFence: just before the next is made. */
    | { readonly kind: "removeRun"; readonly atFence: boolean }
    /** late: so may be what is told. */
    | {
      readonly kind: "busyKeeper";
      readonly room: number;
      readonly ms: number;
      readonly late: boolean;
    }
    | { readonly kind: "run"; readonly steps: number }
    /** No process can be forked for so long, and keeper and news are slow. */
    | { readonly kind: "scarce"; readonly ms: number }
    | { readonly kind: "sleep" | "suspend" | "jump"; readonly ms: number }
    | { readonly kind: "strangers"; readonly count: number }
    /** Each call of a port takes so long, a look at the clock included. */
    | { readonly kind: "slow"; readonly ms: number }
    | { readonly kind: "journal"; readonly fault: JournalFault; readonly count: number }
    | {
      readonly kind: "hang" | "disk" | "descriptors" | "processes" | "hints";
      readonly isOut: boolean;
    }
  );

const DAY_MS = 86_400_000;
const JOURNAL_FAULTS: JournalFault[] = ["refuse", "full", "torn"];

export function drawActions(seed: number): Action[] {
  const chance = new Chance(seed);
  const length = 10 + chance.below(80);
  return Array.from({ length }, (_, i) => drawAction(chance, i));
}

function drawAction(chance: Chance, index: number): Action {
  const seed = chance.below(2 ** 31);
  const often: (() => Action)[] = [
    () => drawSubmit(chance, seed, `job-${index}`),
    () => drawSubmit(chance, seed, `job-${index}`),
    () => ({ seed, kind: "run", steps: 1 + chance.below(60) }),
    () => ({ seed, kind: "run", steps: 1 + chance.below(10) }),
    () => ({ seed, kind: "run", steps: 1 + chance.below(200) }),
    () => ({
      seed,
      kind: "crashAt",
      calls: 1 + chance.below(40),
      where: chance.pick(["before", "in", "after"]),
    }),
    () => ({ seed, kind: "start" }),
    () => ({ seed, kind: "cancel" }),
    () => ({ seed, kind: "killShim" }),
    () => ({
      seed,
      kind: "killAt",
      calls: 1 + chance.below(30),
      what: chance.pick<Victim>(["shim", "shim", "leader", "keeper"]),
    }),
    () => ({
      seed,
      kind: "several",
      what: chance.pick<Several>(["cancel", "cancel", "hold", "release", "release"]),
      count: 1 + chance.below(8),
      wholeArrays: chance.oneIn(2),
    }),
    () => ({
      seed,
      kind: "journal",
      fault: chance.pick(JOURNAL_FAULTS),
      count: chance.pick([1, 1, 2, 10, 100]),
    }),
  ];
  const seldom: (() => Action)[] = [
    () => ({ seed, kind: "kill" }),
    () => ({ seed, kind: "killLeader" }),
    () => ({ seed, kind: "killKeeper" }),
    () => ({ seed, kind: "stopKeeper" }),
    () => ({ seed, kind: "stopShim" }),
    () => ({ seed, kind: "stopLeader" }),
    () => ({ seed, kind: "continue" }),
    () => ({ seed, kind: "removeRun", atFence: chance.oneIn(3) }),
    () => ({
      seed,
      kind: "busyKeeper",
      room: 1 + chance.below(3),
      ms: chance.pick([0, 0, 10, 100, 1000]),
      late: chance.oneIn(2),
    }),
    () => ({ seed, kind: "askAgain" }),
    () => ({ seed, kind: "signal" }),
    () => ({ seed, kind: "hold" }),
    () => ({ seed, kind: "release" }),
    () => ({ seed, kind: "pool", limit: chance.below(3), paused: chance.oneIn(3) }),
    () => ({ seed, kind: "prune" }),
    () => ({ seed, kind: "terminate" }),
    () => ({ seed, kind: "reboot" }),
    () => ({ seed, kind: "hide" }),
    () => ({ seed, kind: "drain", isOn: chance.oneIn(2) }),
    () => ({ seed, kind: "handOver", andReplace: chance.oneIn(2) }),
    () => ({ seed, kind: "sleep", ms: chance.below(20_000) }),
    () => ({ seed, kind: "suspend", ms: chance.below(100_000) }),
    () => ({ seed, kind: "jump", ms: chance.below(2e7) - 1e7 }),
    () => ({ seed, kind: "jump", ms: chance.pick([3, 30, -3, 300, -30]) * DAY_MS }),
    () => ({ seed, kind: "slow", ms: chance.pick([0, 1, 1, 5, 20]) }),
    () => ({ seed, kind: "strangers", count: 1 + chance.below(30) }),
    () => ({ seed, kind: "reusePids" }),
    () => ({ seed, kind: "pidAttack" }),
    () => ({ seed, kind: "hang", isOut: !chance.oneIn(3) }),
    () => ({ seed, kind: "disk", isOut: chance.oneIn(3) }),
    () => ({ seed, kind: "descriptors", isOut: chance.oneIn(3) }),
    () => ({ seed, kind: "processes", isOut: chance.oneIn(3) }),
    () => ({ seed, kind: "scarce", ms: chance.below(8000) }),
    () => ({ seed, kind: "hints", isOut: chance.oneIn(2) }),
  ];
  return chance.pick(chance.below(10) < 7 ? often : seldom)();
}

function drawSubmit(chance: Chance, seed: number, key: string): Action {
  const child = (): Child => ({
    lastsMs: chance.oneIn(2) ? 1e9 : chance.below(5000),
    ownSession: chance.oneIn(2),
    ignoresTerm: chance.oneIn(3),
    forksTwice: chance.oneIn(3),
    clearsEnvironment: chance.oneIn(3),
  });
  const plan: Plan = {
    lastsMs: chance.oneIn(3) ? 0 : chance.below(8000),
    exit: chance.oneIn(6)
      ? { code: 0, signal: chance.pick([6, 9, 11, 15]) }
      : { code: chance.pick([0, 0, 1, 7, 127, 137, 200]), signal: 0 },
    ignoresTerm: chance.oneIn(4),
    children: Array.from({ length: chance.oneIn(2) ? 0 : 1 + chance.below(2) }, child),
    isMissing: chance.oneIn(12),
    isRemote: chance.oneIn(4),
  };
  return {
    seed,
    kind: "submit",
    key,
    plan,
    cpus: 1 + chance.below(3),
    timeout: chance.oneIn(3) ? 1 + chance.below(4) : 0,
    grace: chance.below(4),
    priority: chance.below(3),
    follows: chance.oneIn(5),
    pin: chance.pick([undefined, undefined, "exclusive", "shared"]),
    inPool: chance.oneIn(4),
    hold: chance.oneIn(10),
    size: chance.oneIn(6) ? 2 + chance.below(6) : 0,
  };
}
