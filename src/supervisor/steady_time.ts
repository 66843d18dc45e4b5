/**
 * A time by which ages are counted, and that nobody can move: within one boot it goes on as
 * CLOCK_BOOTTIME does, whatever becomes of the wall clock. What the node was off is known by the wall
 * clock alone; where that is long it may as well be a wrong clock, and it makes nothing older until a
 * day has really passed. Pure.
 */

/** The clocks as they were seen together. */
export interface Sighting {
  /** Of this boot. */
  readonly bootId: string;
  /** ms since boot, suspend included. */
  readonly bootMs: number;
  /** Wall clock, ms since 1970. */
  readonly wallMs: number;
}

/** Time that is counted and may never have passed. */
export interface Doubt {
  /** What was earlier than this, in steady ms, would be older by it. */
  readonly beforeMs: number;
  readonly byMs: number;
  /** ms that have to pass until it is believed. */
  readonly leftMs: number;
}

export interface SteadyTime {
  readonly seen: Sighting;
  /** ms; as the wall clock at the first start, and never less than it was. */
  readonly steadyMs: number;
  readonly doubts: readonly Doubt[];
}

/** From the first of steady ms up to, and without, the second. */
type Span = readonly [fromMs: number, toMs: number];

const DAY_MS = 86_400_000;
/** By less the wall clock is not moved, but set right. */
const JUMP_MS = 60_000;
/** Between the last sighting of a boot and the first of the next; longer is in doubt. */
const USUAL_OFF_MS = 900_000;
/** Longer than anything is kept (units: ten years). */
const FOR_EVER_MS = 3660 * DAY_MS;

/** Before anything was seen the wall clock is taken at its word. */
export function firstSeen(seen: Sighting): SteadyTime {
  return { seen, steadyMs: seen.wallMs, doubts: [] };
}

/**
 * The time when the clocks are seen again. `movedMs`: by how much the wall clock has been moved within
 * this boot, `offMs`: how long, by the wall clock, the node was off: 0 for what is usual.
 */
export function seenAgain(
  { seen, steadyMs, doubts }: SteadyTime,
  now: Sighting,
): { time: SteadyTime; movedMs: number; offMs: number } {
  const isSameBoot = now.bootId === seen.bootId && now.bootMs >= seen.bootMs;
  const passedMs = isSameBoot ? now.bootMs - seen.bootMs : sinceBootMs(seen, now);
  const aheadMs = now.wallMs - seen.wallMs - passedMs;
  const offMs = isSameBoot ? 0 : Math.max(0, aheadMs);
  const movedMs = isSameBoot && Math.abs(aheadMs) >= JUMP_MS ? aheadMs : 0;
  const steadyNowMs = steadyMs + passedMs + offMs;
  const left = doubts.map((doubt) => ({ ...doubt, leftMs: doubt.leftMs - passedMs }))
    .filter(({ leftMs }) => leftMs > 0);
  const known = movedMs < 0 ? disproved(left, -movedMs) : left;
  const isUsual = offMs <= USUAL_OFF_MS;
  const doubt = { beforeMs: steadyNowMs, byMs: offMs, leftMs: DAY_MS };
  return {
    time: { seen: now, steadyMs: steadyNowMs, doubts: isUsual ? known : [...known, doubt] },
    movedMs,
    offMs: isUsual ? 0 : offMs,
  };
}

/** A time namespace can begin anew within one boot: then nothing is known to have passed. */
function sinceBootMs(seen: Sighting, now: Sighting): number {
  return now.bootId === seen.bootId ? 0 : now.bootMs;
}

/** A clock that goes back was wrong before: so much of what is in doubt, the latest first, never was. */
function disproved(doubts: readonly Doubt[], backMs: number): Doubt[] {
  let restMs = backMs;
  return doubts.toReversed().flatMap((doubt) => {
    const wrongMs = Math.min(restMs, doubt.byMs);
    restMs -= wrongMs;
    return [
      { ...doubt, byMs: doubt.byMs - wrongMs },
      { ...doubt, byMs: wrongMs, leftMs: FOR_EVER_MS },
    ].filter(({ byMs }) => byMs > 0);
  }).reverse();
}

/** How long ago that was, ms; never negative. */
export function ageMs({ steadyMs, doubts }: SteadyTime, atMs: number): number {
  const inDoubt = doubts.filter(({ beforeMs }) => atMs < beforeMs);
  return Math.max(0, steadyMs - atMs - sum(inDoubt));
}

/** What is older than so many ms, in its order. */
export function olderThan({ steadyMs, doubts }: SteadyTime, ms: number): Span[] {
  const inOrder = doubts.toSorted((a, b) => a.beforeMs - b.beforeMs);
  const bounds = [-Infinity, ...inOrder.map(({ beforeMs }) => beforeMs), Infinity];
  return bounds.slice(1).map((endMs, at): Span => [
    bounds[at]!,
    Math.min(endMs, steadyMs - ms - sum(inOrder.slice(at))),
  ]).filter(([fromMs, toMs]) => fromMs < toMs);
}

function sum(doubts: readonly Doubt[]): number {
  return doubts.reduce((all, { byMs }) => all + byMs, 0);
}

/** `BOOT BOOT-MS WALL-MS STEADY-MS`, and for each doubt ` BEFORE:BY:LEFT`; by columns.ts. */
export function timeText({ seen, steadyMs, doubts }: SteadyTime): string {
  const { bootId, bootMs, wallMs } = seen;
  const texts = doubts.map((doubt) => [doubt.beforeMs, doubt.byMs, doubt.leftMs].join(":"));
  return [bootId, bootMs, wallMs, steadyMs, ...texts].join(" ");
}

/** From what `timeText` has made. */
export function parseTimeText(text: string): SteadyTime {
  const [bootId, bootMs, wallMs, steadyMs, ...doubts] = text.split(" ");
  return {
    seen: { bootId: bootId!, bootMs: Number(bootMs), wallMs: Number(wallMs) },
    steadyMs: Number(steadyMs),
    doubts: doubts.map((doubt) => {
      const [beforeMs, byMs, leftMs] = doubt.split(":").map(Number) as [number, number, number];
      return { beforeMs, byMs, leftMs };
    }),
  };
}
