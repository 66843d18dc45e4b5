/**
 * Why a queued job has not started, and when it will at the latest if all jobs run as long as they
 * may: told to people, and decided by `schedule` itself, played forward. Pure.
 */

import { nameOfJob, type QueuedJob } from "../job/job.ts";
import { sizeText } from "../units.ts";
import { type Lane, Lanes, lastsMs, needOf, placeOf } from "./lanes.ts";
import { fits, type Holding, minus, plus, type Scene, schedule } from "./schedule.ts";
import { startOrder } from "./start_order.ts";

/** What keeps a job from being ready, or the node from starting any. */
export interface Obstacles {
  readonly held: boolean;
  /** The names of the jobs that must complete first. */
  readonly after: readonly string[];
  /** RFC 3339; only while it is to come. */
  readonly notBefore?: string;
  /** Why the node starts nothing. */
  readonly node?: string;
  /** Of its pool, where it has one. */
  readonly pool?: { readonly name: string; readonly limit?: number; readonly paused?: boolean };
}

export interface Forecast {
  /** What it waits for, in words. */
  readonly waiting: string;
  /** ms since boot; undefined where nobody can say. */
  readonly startsAtMs?: number;
}

/** A job behind more than this many is not forecast: it would take long, and be wrong. */
const FORESEEN = 100;
/** Ends that are played forward, each a decision. */
const STEPS = 500;
const NAMED = 3;

export function forecast(job: QueuedJob, obstacles: Obstacles, scene: Scene): Forecast {
  const { held, after, notBefore } = obstacles;
  const unready = [
    held && "its release",
    after.length > 0 && `${jobsText(after, after.length)} to complete`,
    notBefore !== undefined && notBefore,
  ].filter((text) => text !== false);
  if (unready.length > 0) return { waiting: unready.join("; ") };
  const { ahead, count } = jobsAhead(job, scene.lanes);
  const behind = count > 0 ? `; behind ${jobsText(ahead.map(nameOfJob), count)}` : "";
  const obstacle = obstacles.node ?? groupText(job, obstacles, scene) ?? needText(job, scene);
  const isForeseen = obstacles.node === undefined && count <= FORESEEN;
  return {
    waiting: obstacle === undefined ? passingText(job, scene) : obstacle + behind,
    startsAtMs: isForeseen ? playForward(job, ahead, scene) : undefined,
  };
}

/** The first of the ready jobs that come before it, and how many there are. */
function jobsAhead(job: QueuedJob, lanes: Iterable<Lane>) {
  let count = 0;
  const first: QueuedJob[] = [];
  for (const { jobs } of lanes) {
    const before = placeOf(job, jobs);
    count += before;
    first.push(...jobs.slice(0, Math.min(before, FORESEEN)));
  }
  return { ahead: first.sort(startOrder).slice(0, FORESEEN), count };
}

/** What its pool or its array has against its start. */
function groupText({ demand }: QueuedJob, { pool }: Obstacles, scene: Scene): string | undefined {
  if (pool?.paused) return `pool ${pool.name} is paused`;
  if (pool && scene.poolRoom(pool.name) < 1) {
    if (pool.limit === undefined) return `pool ${pool.name} does not exist any more`;
    return `pool ${pool.name} runs its limit of ${pool.limit}`;
  }
  const { array } = demand;
  if (array?.atOnce === undefined || scene.runningOfArray(array.id) < array.atOnce) {
    return undefined;
  }
  return `its array runs its limit of ${array.atOnce}`;
}

/** What the node has against its start. */
function needText({ demand }: QueuedJob, scene: Scene): string | undefined {
  const need = needOf(demand), free = minus(scene.capacity, scene.used);
  const isPossible = fits(need, scene.capacity);
  const has = isPossible ? free : scene.capacity;
  const lacking = [
    need.cpus > has.cpus && [cpusText(has.cpus), "", need.cpus],
    need.pinned > has.pinned && [cpusText(has.pinned), " to be pinned", need.pinned],
    demand.pin === "shared" && need.cpus > scene.sharedCpus &&
    [cpusText(scene.sharedCpus), " to be shared", need.cpus],
    need.memory > has.memory && [`${sizeText(has.memory)} of memory`, "", sizeText(need.memory)],
  ].filter((each) => each !== false);
  if (lacking.length === 0) return undefined;
  const told = lacking.map(([what, purpose, needed]) =>
    `${what}${isPossible ? " free" : ""}${purpose}, needs ${needed}`
  );
  return `${isPossible ? "" : "it can never start: the node gives out "}${told.join("; ")}`;
}

/** Why it does not start though it fits. */
function passingText(job: QueuedJob, scene: Scene): string {
  const { reserved } = schedule(scene, FORESEEN);
  if (!reserved || startOrder(reserved.job, job) >= 0) return "its turn";
  return `job ${nameOfJob(reserved.job)} to start, which it could put off`;
}

function cpusText(count: number): string {
  return `${Math.max(0, count)} ${count === 1 ? "CPU" : "CPUs"}`;
}

function jobsText(names: readonly string[], count: number): string {
  const named = names.slice(0, count <= NAMED ? count : NAMED - 1);
  const more = count - named.length;
  if (more > 0) return `jobs ${named.join(", ")} and ${more} more`;
  if (named.length === 1) return `job ${named[0]}`;
  return `jobs ${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
}

/** Decides again at each end, as if every job ran as long as it may, until the job starts. */
function playForward(
  job: QueuedJob,
  ahead: readonly QueuedJob[],
  scene: Scene,
): number | undefined {
  const lanes = new Lanes([...ahead, job]);
  const running = new Map<string | number, number>();
  const count = (holding: Holding, sign: 1 | -1) => {
    for (const group of [holding.pool, holding.array]) {
      if (group !== undefined) running.set(group, (running.get(group) ?? 0) + sign);
    }
  };
  let { used, nowMs } = scene;
  let holdings = [...scene.holdings];
  for (let step = 0; step < STEPS; step++) {
    const now = {
      ...scene,
      lanes,
      used,
      holdings,
      nowMs,
      poolRoom: (name: string) => scene.poolRoom(name) - (running.get(name) ?? 0),
      runningOfArray: (id: number) => scene.runningOfArray(id) + (running.get(id) ?? 0),
      sharedCpus: scene.sharedCpus + scene.used.pinned - used.pinned,
    };
    for (const start of schedule(now, FORESEEN + 1).starts) {
      if (start === job) return nowMs;
      lanes.remove(start);
      const { pool, array } = start.demand;
      const endsAtMs = nowMs + lastsMs(start.demand);
      const holding = { ...needOf(start.demand), endsAtMs, pool, array: array?.id };
      holdings.push(holding);
      used = plus(used, holding);
      count(holding, 1);
    }
    holdings.sort((a, b) => a.endsAtMs < b.endsAtMs ? -1 : 1);
    const next = holdings[0]?.endsAtMs ?? Infinity;
    if (next === Infinity) return undefined;
    nowMs = Math.max(nowMs, next);
    const ended = holdings.filter(({ endsAtMs }) => endsAtMs <= nowMs);
    for (const holding of ended) {
      used = minus(used, holding);
      count(holding, -1);
    }
    holdings = holdings.slice(ended.length);
  }
  return undefined;
}
