/** Which points are tried, and how many at a time. */

import {
  type Call,
  type KillPoint,
  type Mode,
  MODES,
  randomBy,
  sampleOf,
  spread,
} from "./points.ts";
import { observe, type Trial, tryPoint } from "./trial.ts";

/** The child of posix_spawn calls these once each, and nobody else before it has become the shim. */
const SPAWN_CALLS = ["setsid", "chdir", "close_range"].map((name) => ({ name, nth: 1 }));

/** Parts of a sample of 100. The jobs' own processes (family) are no part of the product. */
const SHARES: Record<Mode, number> = {
  supervisor: 55,
  machine: 15,
  shim: 10,
  family: 8,
  both: 10,
  spawn: 2,
};

export interface Choice {
  readonly modes: readonly Mode[];
  /** Every deed, every call, or a sample of so many points. */
  readonly extent: "deeds" | "calls" | number;
  readonly seed: number;
}

export async function choosePoints({ modes, extent, seed }: Choice): Promise<KillPoint[]> {
  const random = randomBy(seed);
  const calls = new Map<Mode, Call[]>();
  const callsIn = async (mode: Mode) => {
    if (!calls.has(mode)) calls.set(mode, await observe(mode));
    return calls.get(mode)!;
  };
  const whole = modes.reduce((sum, mode) => sum + SHARES[mode], 0);
  const points: KillPoint[] = [];
  for (const mode of MODES.filter((mode) => modes.includes(mode))) {
    const count = typeof extent === "number" ? Math.ceil(extent * SHARES[mode] / whole) : undefined;
    if (mode === "spawn") {
      points.push(...SPAWN_CALLS.map((supervisor) => ({ mode, supervisor })));
    } else if (mode === "both") {
      const supervisors = select(await callsIn("supervisor"), count ?? 100, random);
      const shims = (await callsIn("shim")).filter((call) => call.isDeed || call.name === "openat");
      points.push(...supervisors.map((supervisor) => ({
        mode,
        supervisor,
        shim: shims[Math.floor(random() * shims.length)]!,
      })));
    } else {
      const all = await callsIn(mode);
      const chosen = count !== undefined
        ? select(all, count, random)
        : all.filter((call) => extent === "calls" || call.isDeed);
      const who = mode === "shim" || mode === "family" ? "shim" : "supervisor";
      points.push(...chosen.map((call) => ({ mode, [who]: call })));
    }
  }
  return points;
}

/** Three quarters from the deeds, by span and by name; the others from all calls. */
function select(calls: readonly Call[], count: number, random: () => number): Call[] {
  const deeds = sampleOf(calls.filter(({ isDeed }) => isDeed), Math.ceil(count * 3 / 4), random);
  const others = calls.filter(({ isDeed }) => !isDeed);
  return [...deeds, ...spread(others, count - deeds.length, random)];
}

/** Tries the points, `workers` at a time, and tells of each when it is known. */
export async function tryPoints(
  points: readonly KillPoint[],
  workers: number,
  tell: (trial: Trial) => void,
): Promise<void> {
  const waiting = [...points];
  const work = async () => {
    for (let point; (point = waiting.shift());) tell(await tryPoint(point));
  };
  await Promise.all(Array.from({ length: workers }, work));
}
