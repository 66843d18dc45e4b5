/**
 * Starts jobs: has it decided which, journals their attempts within the turn, and leaves the shims
 * to be spawned after the commit, a few at a time. A node that cannot start a job is given time, and
 * tried with one job at a time.
 */

import type { QueuedJob } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Cgroups, Clock, Processes } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { Aftermath } from "./aftermath.ts";
import { chooseCpus, freeCpus } from "./cpu_sets.ts";
import { type Forecast, forecast } from "./forecast.ts";
import type { Amount } from "./lanes.ts";
import type { MayGoOn } from "./loop.ts";
import type { Reconciler } from "./reconciler.ts";
import { nextRetryMs } from "./retry.ts";
import type { Roster } from "./roster.ts";
import { type Scene, schedule } from "./schedule.ts";

export interface DispatcherParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly processes: Processes;
  readonly cgroups?: Cgroups;
  readonly capacity: Amount;
  /** Ids of the CPUs on which jobs can be pinned, ascending. */
  readonly cpuIds: readonly number[];
  readonly log: Log;
  /** A token that nobody else has or can guess. */
  readonly newToken: () => string;
  readonly roster: Roster;
  readonly reconciler: Reconciler;
  readonly aftermath: Aftermath;
  /** Has everything written that is still to be written of a job. */
  readonly settle: (id: number) => void;
  /** Asks for another turn. */
  readonly queueTurn: () => void;
}

/**
 * Starts that are journaled and of which it is not known yet whether there is a shim: more would only
 * be STARTING for longer.
 */
const MOST_UNDER_WAY = 8;
/** While a job waits for a time: the wall clock may jump, so it is asked now and then. */
const LONGEST_SLEEP_MS = 60_000;

export class Dispatcher {
  /** Why the node can start nothing now, and when that is tried again. */
  #stuck?: { message: string; retryMs: number; untilBootMs: number };
  #cancelWake = () => {};
  #underWay = 0;

  constructor(private readonly parts: DispatcherParts) {}

  /** Why the node can start nothing now. */
  get cannotStart(): string | undefined {
    return this.#stuck?.message;
  }

  /** Within a turn. Returns whether more could start now. */
  startJobs(mayGoOn: MayGoOn): boolean {
    const { clock, roster } = this.parts;
    if (this.#stuck && clock.bootMs() < this.#stuck.untilBootMs) return false;
    this.#wakeAt(roster.tellTime());
    const room = (this.#stuck ? 1 : MOST_UNDER_WAY) - this.#underWay;
    if (room <= 0) return false;
    const { starts } = schedule(this.#scene(), room);
    let started = 0;
    for (const job of starts) {
      if (started > 0 && !mayGoOn()) return true;
      // A shared job may have taken the CPU of an exclusive one behind it: that is seen the next time.
      if (this.#start(job)) started++;
    }
    return started > 0 && started < starts.length;
  }

  /** Told of each spawn; `nodeCause`: why the node could not. */
  spawned(nodeCause: string | undefined): void {
    const { clock, log, queueTurn } = this.parts;
    this.#underWay--;
    // One that waits may take its place.
    queueTurn();
    if (nodeCause === undefined) {
      if (this.#stuck) log.info("jobs can be started again");
      this.#stuck = undefined;
      return;
    }
    if (!this.#stuck) log.warn("cannot start jobs", { cause: nodeCause, doing: "trying again" });
    const retryMs = nextRetryMs(this.#stuck?.retryMs);
    this.#stuck = { message: nodeCause, retryMs, untilBootMs: clock.bootMs() + retryMs };
    clock.after(retryMs, queueTurn);
  }

  /** Why a queued job has not started, and when it will. `node`: why nothing starts. */
  forecast(job: QueuedJob, node: string | undefined): Forecast {
    const { roster, clock } = this.parts;
    const { pool, notBeforeMs = 0 } = job.demand;
    const isEarly = notBeforeMs > clock.wallMs();
    const stuck = this.#stuck && `the node, which cannot start jobs: ${this.#stuck.message}`;
    const obstacles = {
      held: job.held,
      after: roster.waitsFor(job.id).map((id) => roster.nameOf(id)),
      notBefore: isEarly ? new Date(notBeforeMs).toISOString() : undefined,
      node: node ?? stuck,
      pool: pool === undefined ? undefined : roster.pools.get(pool) ?? { name: pool },
    };
    return forecast(job, obstacles, this.#scene());
  }

  /** False when its set of CPUs cannot be had. */
  #start(job: QueuedJob): boolean {
    const { processes, cgroups, cpuIds, journal, newToken, roster, settle } = this.parts;
    const { pin, cpus } = job.demand;
    const cpuSet = pin && chooseCpus(pin, cpus, cpuIds, roster.allocations.cpuSets);
    if (pin && !cpuSet) return false;
    settle(job.id);
    const token = newToken();
    const attempt = {
      number: job.attempts + 1,
      token,
      ground: processes.ground,
      cgroup: cgroups?.directoryOf(job.id, token),
      cpuSet,
    };
    roster.change(job, { kind: "starting", attempt });
    const { spec, array } = journal.job(job.id)!;
    const { reconciler, aftermath } = this.parts;
    aftermath.then(() => {
      this.#underWay++;
      reconciler.spawn(job.id, attempt, spec, array);
    });
    return true;
  }

  #scene(): Scene {
    const { capacity, clock, cpuIds, roster } = this.parts;
    const { allocations, pools } = roster;
    const sets = allocations.cpuSets;
    const pinned = capacity.pinned - freeCpus("exclusive", cpuIds, sets);
    return {
      lanes: roster.lanes(),
      capacity,
      used: { ...allocations.used, pinned },
      holdings: allocations.holdings,
      poolRoom: (name) => pools.limitOf(name) - allocations.runningOf(name),
      runningOfArray: (id) => allocations.runningOf(id),
      sharedCpus: freeCpus("shared", cpuIds, sets),
      nowMs: clock.bootMs(),
    };
  }

  /** `wallMs`: when the next job's time comes. */
  #wakeAt(wallMs: number | undefined): void {
    this.#cancelWake();
    this.#cancelWake = () => {};
    if (wallMs === undefined) return;
    const { clock, queueTurn } = this.parts;
    const delayMs = Math.max(1, Math.min(wallMs - clock.wallMs(), LONGEST_SLEEP_MS));
    this.#cancelWake = clock.after(delayMs, queueTurn);
  }
}
