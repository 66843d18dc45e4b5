/**
 * The loop: takes what has happened since the last turn (requests, hints, times), has it decided,
 * journals all of it in one transaction, then acts and answers. Whatever has an effect outside comes
 * after the commit of what it follows from.
 */

import { isStarted, type LiveJob, type Stop } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import { Refused } from "../job/refusal.ts";
import type { Cgroups, Clock, Files, Processes, ProcessHandle } from "../ports.ts";
import { cgroupOf } from "../recover/family.ts";
import { Grip } from "../recover/grip.ts";
import { makePlan, type PlanItem } from "../recover/plan.ts";
import { Survey } from "../recover/survey.ts";
import type { Evidence } from "../recover/verdict.ts";
import { type Journal, JournalUnavailable } from "../store/journal.ts";
import type { EventRecord } from "../store/records.ts";
import { Aftermath } from "./aftermath.ts";
import { hasEndedByItself } from "./decide.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Forecast } from "./forecast.ts";
import type { LogBounds } from "./log_bounds.ts";
import { Reconciler } from "./reconciler.ts";
import { nextRetryMs } from "./retry.ts";
import { Roster } from "./roster.ts";
import type { Amount } from "./lanes.ts";

export interface Parts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly processes: Processes;
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
}

export type Answer<T> = { readonly value: T } | { readonly refused: Refused["refusal"] };

interface Request {
  /** Whether it changes something, and so must wait for a journal that can be written. */
  readonly isChange: boolean;
  decide(): unknown;
  respond(answer: Answer<any>): void;
}

/** What is made free may be written full by a job before the commit has it. */
const TRIES_FOR_ROOM = 30;

export class Supervisor {
  readonly #aftermath = new Aftermath();
  readonly #grip: Grip;
  readonly #survey: Survey;
  readonly #reconciler: Reconciler;
  readonly #dispatcher: Dispatcher;
  readonly #subscribers = new Set<(events: readonly EventRecord[]) => void>();
  #requests: Request[] = [];
  #toLook = new Map<number, Evidence | undefined>();
  #turnQueued = false;
  #maySchedule = false;
  #isDraining = false;
  #degraded?: { message: string; retryMs: number };
  #closing?: "terminate" | "handOver";

  readonly roster: Roster;

  /** Called after every turn. */
  onTurn: () => void = () => {};

  constructor(private readonly parts: Parts) {
    const { clock, journal, processes, files, cgroups, log, logBounds } = parts;
    const grip = this.#grip = new Grip(processes, (id) => this.look(id));
    this.#survey = new Survey({ clock, processes, files, grip, cgroups });
    this.roster = new Roster({ clock, journal, log, aftermath: this.#aftermath });
    this.#reconciler = new Reconciler({
      ...parts,
      grip,
      survey: this.#survey,
      roster: this.roster,
      aftermath: this.#aftermath,
      look: (id) => this.look(id),
      onSpawned: (nodeCause) => this.#dispatcher.spawned(nodeCause),
    });
    this.#dispatcher = new Dispatcher({
      ...parts,
      roster: this.roster,
      reconciler: this.#reconciler,
      aftermath: this.#aftermath,
      queueTurn: () => this.#queueTurn(),
    });
    this.subscribe((events) => {
      for (const { id, state } of events) if (state === "STARTING") logBounds.watch(id);
    });
    this.roster.onLeft = (job) => {
      const { id } = job;
      logBounds.leave(id);
      this.#reconciler.forget(id);
      this.#aftermath.then(() => grip.letGo(id));
      this.#aftermath.then(() => files.removeExitRecord(id));
      const cgroup = isStarted(job) ? cgroupOf(job, cgroups) : undefined;
      if (cgroup !== undefined) this.#aftermath.then(() => cgroups?.remove(cgroup));
    };
    this.#loadDraining();
    // Recovery itself may find the disk full of what they write.
    logBounds.begin(this.roster.started().map(({ id }) => id));
  }

  get status() {
    const { size: jobs, used: { cpus, memory } } = this.roster.allocations;
    return {
      cpusAllocated: cpus,
      memoryAllocated: memory,
      queued: this.roster.queued,
      running: jobs,
      draining: this.#isDraining || this.isClosing,
      degraded: this.#degraded?.message,
      cannotStart: this.#dispatcher.cannotStart,
      shortOfSpace: this.parts.logBounds.shortage,
    };
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Runs `decide` in the next turn's transaction; answers when what it did is on disk. What changes
   * nothing (`isChange` false) is done while the journal cannot be written too.
   */
  request<T>(decide: () => T, respond: (answer: Answer<T>) => void, isChange = true): void {
    this.#requests.push({ decide, respond, isChange });
    this.#queueTurn();
  }

  /** Is told the events of each commit. Returns the function that ends it. */
  subscribe(subscriber: (events: readonly EventRecord[]) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** A hint that something may have happened to a job. */
  look(id: number): void {
    this.#toLook.set(id, undefined);
    this.#queueTurn();
  }

  /** A hint that children have ended. */
  childrenEnded(): void {
    for (const reaped of this.parts.processes.reap()) {
      const id = this.#grip.reaped(reaped);
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
    if (this.#closing) return "the supervisor to start again: it is ending";
    if (this.#degraded) return `the journal: ${this.#degraded.message}`;
    if (this.#isDraining) return "the node, which is draining";
    return undefined;
  }

  /** Why a job has not ended yet though its end has been asked for or seen. */
  note(id: number): string | undefined {
    return this.#reconciler.note(id);
  }

  /** What should become of every live job by what can be seen now. */
  plan(): PlanItem[] {
    this.#survey.refresh();
    return makePlan(this.roster.all(), (job) => this.#survey.look(job));
  }

  /** Does what a plan says, up to what must wait for processes to end. Nothing while degraded. */
  execute(plan: readonly PlanItem[]): void {
    for (const { job, evidence } of plan) if (evidence) this.#toLook.set(job.id, evidence);
    // What a turn has done, as a fence, may leave more for the next.
    while (this.#toLook.size > 0 && !this.#degraded) this.#turn();
  }

  /** Allows jobs to start. */
  begin(): void {
    this.#maySchedule = true;
    this.#queueTurn();
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
      this.#reconciler.reconcile(id, undefined, !this.#degraded);
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
    this.#reconciler.stop();
    this.parts.logBounds.stop();
  }

  /** Stops every started job. Queued ones stay queued for the next supervisor. */
  terminate(): void {
    this.#closing = "terminate";
    this.request(
      () => this.roster.started().forEach((job) => this.stop(job, "shutdown")),
      () => {},
    );
  }

  #queueTurn(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    this.parts.clock.soon(() => this.#turn());
  }

  #turn(): void {
    this.#turnQueued = false;
    const requests = this.#requests.splice(0);
    if (this.#closing === "handOver") return refuse(requests, "the supervisor is ending");
    const looks = this.#toLook;
    this.#toLook = new Map();
    if (this.#degraded) {
      refuse(requests.filter(({ isChange }) => isChange), this.#degraded.message);
      const others = requests.filter(({ isChange }) => !isChange);
      const answers = others.map(answer);
      for (const [id, evidence] of looks) this.#reconciler.reconcile(id, evidence, false);
      return this.#finish(others.map((request, i) => () => request.respond(answers[i]!)));
    }
    try {
      const answers = this.#transact(() => {
        const answers = requests.map(answer);
        for (const [id, evidence] of looks) this.#reconciler.reconcile(id, evidence, true);
        if (this.#maySchedule && !this.#isDraining && !this.#closing) this.#dispatcher.startJobs();
        return answers;
      });
      this.#finish(requests.map((request, i) => () => request.respond(answers[i]!)));
    } catch (error) {
      // A mistake of ours must not be worse than a disk that fails: nothing has happened, try again.
      const message = error instanceof Error ? error.message : String(error);
      const isDisk = error instanceof JournalUnavailable;
      this.#degrade(isDisk ? message : `internal error: ${message}`);
      refuse(requests, message);
    }
    this.onTurn();
  }

  /** A journal that finds no room is given some, at the cost of logs, and tried again. */
  #transact<T>(body: () => T): T {
    const { journal, logBounds } = this.parts;
    for (let tries = 1;; tries++) {
      try {
        return journal.transact(body);
      } catch (error) {
        const isFull = error instanceof JournalUnavailable && /full/.test(error.message);
        if (!isFull || tries === TRIES_FOR_ROOM || !logBounds.makeRoom()) throw error;
        this.#aftermath.take();
        this.#load();
      }
    }
  }

  /** After the commit: replies first, since somebody waits for them. */
  #finish(replies: (() => void)[]): void {
    const { events, effects } = this.#aftermath.take();
    for (const reply of replies) reply();
    if (events.length > 0) { for (const subscriber of this.#subscribers) subscriber(events); }
    for (const effect of effects) this.#try(effect);
    this.#survey.refresh();
  }

  #try(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.parts.log.error("failed", { what: String(error) });
    }
  }

  /** Nothing of the turn has happened. Memory goes back to what the journal says. */
  #degrade(message: string): void {
    this.#aftermath.take();
    const retryMs = nextRetryMs(this.#degraded?.retryMs);
    if (!this.#degraded) {
      this.parts.log.error("journal unavailable", { message, doing: "refusing jobs, retrying" });
    }
    this.#degraded = { message, retryMs };
    this.#try(() => this.#load());
    this.parts.clock.after(retryMs, () => this.#retry());
  }

  #retry(): void {
    if (this.#closing === "handOver") return;
    const { journal, log, clock } = this.parts;
    try {
      this.#transact(() => journal.setSetting("written", String(clock.wallMs())));
      this.#load();
    } catch (error) {
      this.#try(() => journal.reopen());
      return this.#degrade(error instanceof Error ? error.message : String(error));
    }
    this.#degraded = undefined;
    log.warn("journal available again");
    // A commit that was told as failed and is there has left undone what follows from it.
    for (const id of this.#grip.heldIds()) {
      const job = this.roster.get(id);
      if (!job || !isStarted(job)) this.#grip.letGo(id);
    }
    this.execute(this.plan());
    this.#queueTurn();
  }

  #load(): void {
    this.roster.load();
    this.#loadDraining();
  }

  #loadDraining(): void {
    this.#isDraining = this.parts.journal.setting("draining") === "yes";
  }
}

function answer(request: Request): Answer<unknown> {
  try {
    return { value: request.decide() };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.refusal };
    throw error;
  }
}

function refuse(requests: Request[], message: string): void {
  const refused = { error: "JournalUnavailable", message } as const;
  for (const { respond } of requests) respond({ refused });
}
