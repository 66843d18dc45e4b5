/**
 * The supervisor: its parts put together, and what may be asked of it. What happens in which order is
 * the loop's matter.
 */

import { MS_PER_TICK } from "../job/identity.ts";
import { isStarted, type LiveJob, type StartedJob, type Stop } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Cgroups, Clock, Files, Processes, ProcessHandle, Shims } from "../ports.ts";
import { cgroupOf } from "../recover/family.ts";
import { Grip } from "../recover/grip.ts";
import { makePlan, type PlanItem, planItem } from "../recover/plan.ts";
import { Survey } from "../recover/survey.ts";
import type { Journal } from "../store/journal.ts";
import type { EventRecord } from "../store/records.ts";
import { Aftermath } from "./aftermath.ts";
import { hasEndedByItself } from "./decide.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Forecast } from "./forecast.ts";
import { type Health, healthOf } from "./health.ts";
import { inParts } from "./in_parts.ts";
import { LargeChanges } from "./large_changes.ts";
import type { Amount } from "./lanes.ts";
import type { LogBounds } from "./log_bounds.ts";
import { type Answer, type Decide, Loop } from "./loop.ts";
import { Reconciler } from "./reconciler.ts";
import { Roster } from "./roster.ts";
import { Starts } from "./starts.ts";
import type { SteadyClock } from "./steady_clock.ts";

export interface Parts {
  readonly clock: Clock;
  readonly steady: SteadyClock;
  readonly journal: Journal;
  readonly processes: Processes;
  readonly shims: Shims;
  readonly files: Files;
  /** Absent where there are none. */
  readonly cgroups?: Cgroups;
  readonly capacity: Amount;
  /** Ids of the CPUs on which jobs can be pinned, ascending. */
  readonly cpuIds: readonly number[];
  readonly log: Log;
  readonly logBounds: LogBounds;
  /** A token that nobody else has or can guess. */
  readonly newToken: () => string;
  /** A change of so many jobs is journaled as one, and written in batches. */
  readonly large: number;
}

/** After a journal that could not be written. */
const TERMINATE_RETRY_MS = 200;

export class Supervisor {
  readonly #aftermath = new Aftermath();
  readonly #grip: Grip;
  readonly #survey: Survey;
  readonly #reconciler: Reconciler;
  readonly #dispatcher: Dispatcher;
  readonly #loop: Loop;
  readonly #starts: Starts;
  #maySchedule = false;
  #isDraining = false;
  #closing?: "terminate" | "handOver";

  readonly roster: Roster;
  readonly largeChanges: LargeChanges;

  /** Called after every turn. */
  onTurn: () => void = () => {};

  constructor(private readonly parts: Parts) {
    const { clock, processes, files, cgroups, logBounds } = parts;
    const aftermath = this.#aftermath;
    const grip = this.#grip = new Grip(processes, (id) => this.look(id), (id, news) => {
      this.#dispatcher.heard(news);
      this.#reconciler.heard(id, news);
    });
    const starts = this.#starts = new Starts({
      ...parts,
      onUseless: (why) => this.#dispatcher.pause(why),
      onRoom: () => this.#loop.queueTurn(),
    });
    this.#survey = new Survey({ clock, processes, files, grip, cgroups });
    const roster = this.roster = new Roster({ ...parts, aftermath });
    const largeChanges = this.largeChanges = new LargeChanges({
      ...parts,
      roster,
      aftermath,
      stop: (job) => this.stop(job, "cancel"),
    });
    this.#reconciler = new Reconciler({
      ...parts,
      grip,
      survey: this.#survey,
      roster,
      aftermath,
      starts,
      look: (id) => this.look(id),
    });
    this.#dispatcher = new Dispatcher({
      ...parts,
      roster,
      reconciler: this.#reconciler,
      starts,
      aftermath,
      settle: (id) => largeChanges.settle(id),
      queueTurn: () => this.#loop.queueTurn(),
    });
    this.#loop = new Loop({
      ...parts,
      aftermath,
      reconcile: (id, evidence, mayJournal) => {
        if (mayJournal) largeChanges.settle(id);
        this.#reconciler.reconcile(id, evidence, mayJournal);
      },
      stages: [
        (mayGoOn) => largeChanges.goOn(mayGoOn),
        (mayGoOn) => this.#mayStart && this.#dispatcher.startJobs(mayGoOn),
      ],
      load: () => this.#load(),
      makeRoom: () => logBounds.makeRoom(),
      onAvailable: () => this.#takeUp(),
      onTurn: () => {
        this.#survey.refresh();
        this.onTurn();
      },
    });
    this.subscribe((events) => {
      for (const { id, state } of events) if (state === "STARTING") logBounds.watch(id);
    });
    roster.onLeft = (job) => {
      const { id } = job;
      logBounds.leave(id);
      this.#reconciler.forget(id);
      aftermath.then(() => grip.letGo(id));
      aftermath.then(() => starts.forget(id));
      aftermath.then(() => files.removeExitRecord(id));
      const cgroup = cgroupOf(job, cgroups);
      if (cgroup !== undefined) aftermath.then(() => cgroups?.remove(cgroup));
    };
    this.#load();
    // Recovery itself may find the disk full of what they write.
    logBounds.begin(roster.started().map(({ id }) => id));
  }

  get status() {
    const { size: jobs, used: { cpus, memory } } = this.roster.allocations;
    return {
      cpusAllocated: cpus,
      memoryAllocated: memory,
      queued: this.roster.queued,
      running: jobs,
      draining: this.#isDraining || this.isClosing,
      degraded: this.#loop.degraded,
      cannotStart: this.#dispatcher.cannotStart,
      shortOfSpace: this.parts.logBounds.shortage,
    };
  }

  /** `orphans`: what has been found that belongs to no job. */
  health(orphans: number): Health {
    const jobs = (ids: Iterable<number>) =>
      [...ids].map((id) => this.roster.get(id)).filter((job) => job !== undefined);
    return healthOf({
      ...this.status,
      unkillable: jobs(this.#reconciler.unkillable),
      hanging: jobs(this.#reconciler.hanging),
      orphans,
      latency: this.#loop.times.worst,
    });
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** As Loop.request. */
  request<T>(decide: Decide<T>, respond: (answer: Answer<T>) => void, isChange = true): void {
    this.#loop.request(decide, respond, isChange);
  }

  /** Within a turn: has something done when it is on disk. */
  onCommit(go: () => void): void {
    this.#aftermath.then(go);
  }

  subscribe(subscriber: (events: readonly EventRecord[]) => void): () => void {
    return this.#loop.subscribe(subscriber);
  }

  /** A hint that something may have happened to a job. */
  look(id: number): void {
    this.#loop.look(id);
  }

  /** A hint that children have ended. */
  childrenEnded(): void {
    for (const reaped of this.parts.processes.reap()) {
      const id = this.#grip.reaped(reaped, this.parts.clock.bootMs());
      if (id !== undefined) this.look(id);
      else this.#reconciler.endingFamilies().forEach((id) => this.look(id));
    }
  }

  /** Why a queued job has not started, and when it will; undefined for any other. */
  forecast(id: number): Forecast | undefined {
    const job = this.roster.get(id);
    if (job?.state !== "QUEUED") return undefined;
    return this.#dispatcher.forecast(job, this.#startsNothing());
  }

  #startsNothing(): string | undefined {
    const { degraded } = this.#loop;
    if (this.#closing) return "the supervisor to start again: it is ending";
    if (degraded !== undefined) return `the journal: ${degraded}`;
    if (this.#isDraining) return "the node, which is draining";
    return undefined;
  }

  /** How long a running job has run, ms by the boot clock; undefined for any other. */
  elapsedMs(id: number): number | undefined {
    const job = this.roster.get(id);
    if (job?.state !== "RUNNING") return undefined;
    const { clock, processes } = this.parts;
    if (job.attempt.ground.bootId !== processes.ground.bootId) return undefined;
    return Math.max(0, clock.bootMs() - job.leader.startTicks * MS_PER_TICK);
  }

  /** Why a job has not ended yet though its end has been asked for or seen. */
  note(id: number): string | undefined {
    return this.#reconciler.note(id);
  }

  /** What should become of every started job by what can be seen now. */
  plan(): PlanItem[] {
    this.#survey.refresh();
    return makePlan(this.roster.started(), (job) => this.#survey.look(job));
  }

  /** Does what a plan says, up to what must wait for processes to end. Nothing while degraded. */
  execute(plan: readonly PlanItem[]): void {
    for (const { job, evidence } of plan) if (evidence) this.#loop.look(job.id, evidence);
    // What a turn has done, as a fence, may leave more for the next.
    while (this.#loop.hasLooks && this.#loop.degraded === undefined) {
      this.#loop.turn(Infinity, Infinity);
    }
  }

  /** The same of the started jobs, in as many turns as it takes. `done`: with what was found. */
  check(done: (found: readonly PlanItem[]) => void): void {
    const found = new Map<number, PlanItem>();
    const checkOne = ({ id }: StartedJob) => {
      this.largeChanges.settle(id);
      const job = this.roster.get(id);
      if (!job || !isStarted(job)) return;
      const evidence = this.#survey.look(job);
      found.set(id, planItem(job, evidence));
      this.#reconciler.reconcile(id, evidence, true);
    };
    const check = inParts(this.#aftermath, () => this.roster.started(), checkOne, () => true);
    this.request(check, () => done([...found.values()]));
  }

  /** Before jobs are adopted, whose shims are called then. */
  hearShims(): void {
    this.parts.shims.listen((who) => this.#grip.greet(who));
  }

  /** Allows jobs to start. */
  begin(): void {
    this.#maySchedule = true;
    this.#starts.begin();
    this.#loop.queueTurn();
  }

  /** Within a turn: asks a job to end, unless it is being stopped or has just ended by itself. */
  stop(job: LiveJob, kind: Stop): void {
    if (!isStarted(job)) {
      const end = {
        state: "CANCELLED",
        reason: "cancelled",
        endedAtMs: this.parts.clock.wallMs(),
      } as const;
      this.roster.change(job, { kind: "ended", end });
      return;
    }
    this.look(job.id);
    if (job.stopping || hasEndedByItself(job, this.#survey.look(job))) return;
    const sinceBootMs = this.parts.clock.bootMs();
    this.roster.change(job, { kind: "stopping", stopping: { kind, sinceBootMs } });
  }

  /** Within a turn: held while its leader is there. */
  leaderHandle(id: number): ProcessHandle | undefined {
    // Its start may not have been told yet.
    if (this.roster.get(id)?.state === "STARTING") {
      this.#reconciler.reconcile(id, undefined, this.#loop.degraded === undefined);
    }
    return this.#grip.leaderHandle(id);
  }

  /** Within a turn. */
  setDraining(draining: boolean): void {
    this.parts.journal.setSetting("draining", draining ? "yes" : "no");
    this.#isDraining = draining;
  }

  /** Does nothing more; jobs keep running for the next supervisor. */
  handOver(): void {
    this.#closing = "handOver";
    this.#loop.stop();
    this.#reconciler.stop();
    this.#starts.stop();
    this.parts.logBounds.stop();
  }

  /** Stops every started job. Queued ones stay queued for the next supervisor. */
  terminate(): void {
    this.#closing = "terminate";
    const stopOne = ({ id }: StartedJob) => {
      this.largeChanges.settle(id);
      const job = this.roster.get(id);
      if (job && isStarted(job)) this.stop(job, "shutdown");
    };
    const stop = inParts(this.#aftermath, () => this.roster.started(), stopOne, () => true);
    this.request(stop, (answer) => {
      if ("refused" in answer) this.parts.clock.after(TERMINATE_RETRY_MS, () => this.terminate());
    });
  }

  get #mayStart(): boolean {
    return this.#maySchedule && !this.#isDraining && !this.#closing;
  }

  /** The journal can be written again: what has happened since is found out. */
  #takeUp(): void {
    // A commit that was told as failed and is there has left undone what follows from it.
    for (const id of this.#grip.heldIds()) {
      const job = this.roster.get(id);
      if (!job || !isStarted(job)) this.#grip.letGo(id);
    }
    for (const { id } of this.roster.started()) this.look(id);
  }

  #load(): void {
    this.parts.journal.loadLargeChanges();
    this.roster.load();
    this.largeChanges.load();
    this.#isDraining = this.parts.journal.setting("draining") === "yes";
  }
}
