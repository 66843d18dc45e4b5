/**
 * Starts jobs: has it decided which, journals their attempts within the turn, and has the shims asked
 * for after the commit, a few at a time. A node that cannot start a job is given time, and tried with
 * one job at a time.
 */

import type { QueuedJob } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Cgroups, Clock, Files, Processes, ShimNews } from "../ports.ts";
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
import type { Starts } from "./starts.ts";

export interface DispatcherParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly processes: Processes;
  readonly files: Files;
  readonly cgroups?: Cgroups;
  readonly capacity: Amount;
  /** Ids of the CPUs on which jobs can be pinned, ascending. */
  readonly cpuIds: readonly number[];
  readonly log: Log;
  /** A token that nobody else has or can guess. */
  readonly newToken: () => string;
  readonly roster: Roster;
  readonly reconciler: Reconciler;
  readonly starts: Starts;
  readonly aftermath: Aftermath;
  /** Has everything written that is still to be written of a job. */
  readonly settle: (id: number) => void;
  /** Asks for another turn. */
  readonly queueTurn: () => void;
}

/**
 * Starts that are journaled and that the keeper has not answered: more would only be STARTING for
 * longer.
 */
const MOST_UNDER_WAY = 8;
const FENCE_GONE =
  "its run directory was removed, and with it what forbids its earlier start, so it is not started again";
/** While a job waits for a time: the wall clock may jump, so it is asked now and then. */
const LONGEST_SLEEP_MS = 60_000;

export class Dispatcher {
  /** Why the node can start nothing now, and when that is tried again. */
  #stuck?: { message: string; retryMs: number; untilBootMs: number };
  #cancelWake = () => {};

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
    const room = (this.#stuck ? 1 : MOST_UNDER_WAY) - this.parts.starts.underWay;
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

  /** Something was told of a start. */
  heard(news: ShimNews): void {
    if (news.kind === "forked") this.#onNode(undefined);
    const isRefused = news.kind === "notForked" || news.kind === "refused";
    if (isRefused && news.refusal.by === "node") this.#onNode(news.refusal.why);
  }

  /** Nothing can be started for a while. */
  pause(cause: string): void {
    this.#onNode(cause);
  }

  /** `cause`: why the node could not start a job; undefined when it has started one. */
  #onNode(cause: string | undefined): void {
    const { clock, log, queueTurn } = this.parts;
    if (cause === undefined) {
      // One that waits may take its place.
      queueTurn();
      if (this.#stuck) log.info("jobs can be started again");
      this.#stuck = undefined;
      return;
    }
    // Others that were asked for at the same time are told the same.
    if (this.#stuck && clock.bootMs() < this.#stuck.untilBootMs) return;
    if (!this.#stuck) log.warn("cannot start jobs", { cause, doing: "trying again" });
    const retryMs = nextRetryMs(this.#stuck?.retryMs);
    this.#stuck = { message: cause, retryMs, untilBootMs: clock.bootMs() + retryMs };
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

  /** False when its set of CPUs or its directory cannot be had. */
  #start(job: QueuedJob): boolean {
    const { processes, files, cgroups, cpuIds, journal, newToken, roster, settle } = this.parts;
    // A directory made anew would not forbid an earlier attempt that a slow keeper is still to start.
    if (job.attempts > 0 && !files.hasRun(job.id)) {
      settle(job.id);
      const failed = { state: "FAILED", reason: "startFailed", message: FENCE_GONE } as const;
      roster.change(job, {
        kind: "ended",
        end: { ...failed, endedAtMs: this.parts.clock.wallMs() },
      });
      return false;
    }
    const { pin, cpus } = job.demand;
    const cpuSet = pin && chooseCpus(pin, cpus, cpuIds, roster.allocations.cpuSets);
    if (pin && !cpuSet) return false;
    try {
      files.create(job.id);
      // That an attempt before was refused by the node is nothing that this one has to say.
      if (job.attempts > 0) files.removeExitRecord(job.id);
    } catch (error) {
      this.#onNode(error instanceof Error ? error.message : String(error));
      return false;
    }
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
    const { spec, array } = journal.submissionOf(job.id);
    const { reconciler, aftermath } = this.parts;
    aftermath.then(() => reconciler.start(job.id, attempt, spec, array));
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
