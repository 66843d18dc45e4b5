/**
 * Which queued jobs start now. They start in their order; the first that does not fit has a
 * reservation at the time at which enough will have ended at the latest, and later jobs start before
 * it only if they cannot put that off: they end by then, or fit beside it. Pure.
 */

import type { QueuedJob } from "../job/job.ts";
import { Heap } from "./heap.ts";
import type { Amount, Lane } from "./lanes.ts";
import { startOrder } from "./start_order.ts";

/** What a started job holds, and until when at the latest: ms since boot, Infinity for no end. */
export interface Holding extends Amount {
  readonly endsAtMs: number;
  readonly pool?: string;
  /** The id of its array. */
  readonly array?: number;
}

export interface Scene {
  readonly lanes: Iterable<Lane>;
  readonly capacity: Amount;
  readonly used: Amount;
  /** What `used` is made of; what ends first comes first. */
  readonly holdings: readonly Holding[];
  /** How many more jobs of a pool may start: 0 or less where it is full or paused. */
  readonly poolRoom: (name: string) => number;
  readonly runningOfArray: (id: number) => number;
  /** How many CPUs a pinned job that shares them can have. */
  readonly sharedCpus: number;
  /** ms since boot */
  readonly nowMs: number;
}

export interface Schedule {
  readonly starts: readonly QueuedJob[];
  /**
   * The first job that does not fit, and when it can start at the latest: ms since boot. Not told
   * where no CPU is free, since nothing can pass it then.
   */
  readonly reserved?: { readonly job: QueuedJob; readonly atMs: number };
}

interface Place {
  readonly lane: Lane;
  readonly at: number;
}

/** `limit`: starts at most so many. */
export function schedule(scene: Scene, limit: number): Schedule {
  const { capacity, nowMs } = scene;
  const starts: QueuedJob[] = [];
  const started: Holding[] = [];
  const rooms = new Rooms(scene);
  let free = minus(capacity, scene.used);
  let reservation: Reservation | undefined;
  // Every job needs a CPU.
  let places = new Heap(isBefore, free.cpus > 0 ? firstPlaces(scene, rooms, free) : []);
  // Most of a long queue cannot pass: it is left out at once rather than tried in its order.
  const narrow = (to: Reservation) => {
    const mayPass = ({ lane }: Place) =>
      fits(lane.need, free) && to.admits(lane, nowMs + lane.lastsMs, rooms);
    places = new Heap(isBefore, places.items.filter(mayPass));
  };
  while (starts.length < limit && free.cpus > 0) {
    const place = places.pop();
    if (!place) break;
    const { lane, at } = place;
    if (rooms.of(lane) < 1) continue;
    if (!fits(lane.need, free)) {
      reservation ??= new Reservation(place, free, inOrder(scene.holdings, started), nowMs);
      narrow(reservation);
      continue;
    }
    const endsAtMs = nowMs + lane.lastsMs;
    free = minus(free, lane.need);
    rooms.take(lane);
    starts.push(lane.jobs[at]!);
    started.push({ ...lane.need, endsAtMs });
    if (at + 1 < lane.jobs.length) places.push({ lane, at: at + 1 });
    if (!reservation) continue;
    reservation.passedBy(lane, endsAtMs);
    narrow(reservation);
  }
  return { starts, reserved: reservation && { job: reservation.job, atMs: reservation.atMs } };
}

/** Where to begin: each lane that fits, and of those that do not the one that comes first. */
function firstPlaces({ lanes, capacity }: Scene, rooms: Rooms, free: Amount): Place[] {
  const places: Place[] = [];
  let waits: Place | undefined;
  for (const lane of lanes) {
    // What can never fit must not keep others waiting.
    if (rooms.of(lane) < 1 || !fits(lane.need, capacity)) continue;
    const place = { lane, at: 0 };
    if (fits(lane.need, free)) places.push(place);
    else if (!waits || isBefore(place, waits)) waits = place;
  }
  return waits ? [...places, waits] : places;
}

class Reservation {
  readonly job: QueuedJob;
  readonly atMs: number;
  readonly #lane: Lane;
  /** What will be left beside the job. */
  #beside: Amount;

  constructor({ lane, at }: Place, free: Amount, holdings: readonly Holding[], nowMs: number) {
    let atMs = nowMs;
    for (const holding of holdings) {
      if (fits(lane.need, free) && holding.endsAtMs > atMs) break;
      free = plus(free, holding);
      atMs = Math.max(atMs, holding.endsAtMs);
    }
    this.job = lane.jobs[at]!;
    this.atMs = atMs;
    this.#lane = lane;
    this.#beside = minus(free, lane.need);
  }

  /** Whether a job may start before it. Where nobody knows when it can start, those with an end may. */
  admits(lane: Lane, endsAtMs: number, rooms: Rooms): boolean {
    // Its place in its pool is kept too: while that is full it would not be reserved at all.
    const isOfItsPool = lane.pool !== undefined && lane.pool === this.#lane.pool;
    if (isOfItsPool && rooms.of(this.#lane) < 2) return false;
    return this.#isOverBy(endsAtMs) ||
      (this.atMs !== Infinity && fits(lane.need, this.#beside));
  }

  passedBy(lane: Lane, endsAtMs: number): void {
    if (!this.#isOverBy(endsAtMs)) this.#beside = minus(this.#beside, lane.need);
  }

  #isOverBy(endsAtMs: number): boolean {
    return endsAtMs <= this.atMs && endsAtMs < Infinity;
  }
}

/**
 * How many jobs of a lane its pool, its array and the CPUs that are left to share let start, what
 * has been decided included.
 */
class Rooms {
  #pinned = 0;
  readonly #taken = new Map<string | number, number>();

  constructor(private readonly scene: Scene) {}

  of({ pool, array, pin, need }: Lane): number {
    const { poolRoom, runningOfArray, sharedCpus } = this.scene;
    if (pin === "shared" && need.cpus > sharedCpus - this.#pinned) return 0;
    const inPool = pool === undefined ? Infinity : poolRoom(pool) - this.#takenOf(pool);
    if (!array) return inPool;
    return Math.min(inPool, array.atOnce - runningOfArray(array.id) - this.#takenOf(array.id));
  }

  take({ pool, array, need }: Lane): void {
    this.#pinned += need.pinned;
    if (pool !== undefined) this.#taken.set(pool, this.#takenOf(pool) + 1);
    if (array) this.#taken.set(array.id, this.#takenOf(array.id) + 1);
  }

  #takenOf(group: string | number): number {
    return this.#taken.get(group) ?? 0;
  }
}

export function fits(need: Amount, free: Amount): boolean {
  return need.cpus <= free.cpus && need.memory <= free.memory && need.pinned <= free.pinned;
}

export function plus(a: Amount, b: Amount): Amount {
  return { cpus: a.cpus + b.cpus, memory: a.memory + b.memory, pinned: a.pinned + b.pinned };
}

export function minus(a: Amount, b: Amount): Amount {
  return { cpus: a.cpus - b.cpus, memory: a.memory - b.memory, pinned: a.pinned - b.pinned };
}

function isBefore(a: Place, b: Place): boolean {
  return startOrder(a.lane.jobs[a.at]!, b.lane.jobs[b.at]!) < 0;
}

function inOrder(holdings: readonly Holding[], started: readonly Holding[]): readonly Holding[] {
  if (started.length === 0) return holdings;
  return [...holdings, ...started].sort((a, b) => a.endsAtMs < b.endsAtMs ? -1 : 1);
}
