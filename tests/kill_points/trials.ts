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

/** Parts of a sample of 100. The jobs' own processes (family) are no part of the product. */
const SHARES: Record<Mode, number> = {
  supervisor: 45,
  machine: 15,
  keeper: 8,
  shim: 10,
  leader: 8,
  family: 4,
  both: 10,
};
/** They make so few calls that all of them are tried, whether they leave a trace or not. */
const SMALL: readonly Mode[] = ["shim", "leader"];
/** Of all combinations. */
const MOST_BOTH = 100;

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
    if (mode === "both") {
      const supervisors = select(await callsIn("supervisor"), count ?? MOST_BOTH, random);
      const shims = await callsIn("shim");
      points.push(...supervisors.map((supervisor) => ({
        mode,
        calls: [supervisor, shims[Math.floor(random() * shims.length)]!],
      })));
    } else {
      const all = await callsIn(mode);
      const isWhole = extent === "calls" || SMALL.includes(mode);
      const chosen = count !== undefined
        ? select(all, count, random)
        : all.filter((call) => isWhole || call.isDeed);
      points.push(...chosen.map((call) => ({ mode, calls: [call] })));
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
