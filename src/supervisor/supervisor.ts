/**
 * The loop: takes what has happened since the last turn (requests, hints, times), decides with the
 * pure rooms, journals all of it in one transaction, then acts and answers. Whatever has an effect
 * outside comes after the commit of what it follows from.
 */

import { NO_ENVIRONMENT } from "../host/environment.ts";
import { bootMs, wallMs } from "../host/clock.ts";
import type { Grip } from "../host/grip.ts";
import {
  type ProcessHandle,
  reap,
  SIGCONT,
  SIGKILL,
  signalProcess,
  SIGTERM,
} from "../host/processes.ts";
import type { RunFiles } from "../host/run_files.ts";
import { claimName } from "../host/shim_script.ts";
import type { Spawner } from "../host/spawn.ts";
import type { Ground, ProcessIdentity } from "../job/identity.ts";
import {
  type Attempt,
  type Change,
  isEnded,
  isStarted,
  type Job,
  type LiveJob,
  type QueuedJob,
  type StartedJob,
  type Stop,
  transition,
} from "../job/job.ts";
import type { Log } from "../job/log.ts";
import { Refused } from "../job/refusal.ts";
import { makePlan, type PlanItem } from "../recover/plan.ts";
import { Survey } from "../recover/survey.ts";
import type { Evidence } from "../recover/verdict.ts";
import { type Journal, JournalUnavailable } from "../store/journal.ts";
import type { EventRecord } from "../store/records.ts";
import { familyPollMs, hasEndedByItself, nextStep, NO_PROGRESS, type Progress } from "./decide.ts";
import { Queue } from "./queue.ts";
import { type Free, schedule } from "./schedule.ts";
import { Wakes } from "./wakes.ts";

export interface Parts {
  readonly journal: Journal;
  readonly files: RunFiles;
  readonly spawner: Spawner;
  readonly ground: Ground;
  readonly capacity: Free;
  readonly log: Log;
  /** Made by the supervisor's owner, who gives it our `look`. */
  readonly grip: Grip;
}

type Answer<T> = { readonly value: T } | { readonly refused: Refused["refusal"] };

interface Request {
  decide(): unknown;
  respond(answer: Answer<any>): void;
}

/** Starts in one turn: more wait for the next, so that requests are heard in between. */
const STARTS_A_TURN = 16;
const FIRST_RETRY_MS = 100, LAST_RETRY_MS = 10_000;
/** Looks at a family that will not die before its pids are told. */
const LOOKS_BEFORE_TOLD = 8;

export class Supervisor {
  readonly #parts: Parts;
  readonly #survey: Survey;
  readonly #wakes = new Wakes(bootMs, (ids) => ids.forEach((id) => this.look(id)));
  readonly #live = new Map<number, LiveJob>();
  readonly #progress = new Map<number, Progress>();
  readonly #unverifiable = new Map<number, string>();
  readonly #subscribers = new Set<(events: readonly EventRecord[]) => void>();
  #queue = new Queue();
  #used = { jobs: 0, cpus: 0, memory: 0 };
  #requests: Request[] = [];
  #toLook = new Map<number, Evidence | undefined>();
  #turnQueued = false;
  #events: EventRecord[] = [];
  #effects: (() => void)[] = [];
  #degraded?: { message: string; retryMs: number };
  #draining = false;
  #closing?: "terminate" | "handOver";

  /** Called after every turn. */
  onTurn: () => void = () => {};

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#survey = new Survey(parts.files, parts.ground, parts.grip);
    this.#load();
  }

  // What others may ask.

  get status() {
    return {
      cpusAllocated: this.#used.cpus,
      memoryAllocated: this.#used.memory,
      queued: this.#queue.size,
      running: this.#used.jobs,
      draining: this.#draining,
      degraded: this.#degraded?.message,
    };
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  liveJob(id: number): LiveJob | undefined {
    return this.#live.get(id);
  }

  /** Runs `decide` in the next turn's transaction; answers when what it did is on disk. */
  request<T>(decide: () => T, respond: (answer: Answer<T>) => void): void {
    this.#requests.push({ decide, respond });
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
    for (const { pid, exit } of reap()) {
      const id = this.#parts.grip.reaped(pid, exit);
      if (id !== undefined) this.look(id);
      // An orphan: whoever waits for its family to die wants to know.
      else for (const [id, { looks }] of this.#progress) if (looks > 0) this.look(id);
    }
  }

  // Recovery.

  /** What should become of every live job by what can be seen now. */
  plan(): PlanItem[] {
    this.#survey.refresh();
    return makePlan([...this.#live.values()], (job) => this.#survey.look(job));
  }

  /** Does what a plan says, up to what must wait for processes to end. Nothing if degraded. */
  execute(plan: readonly PlanItem[]): void {
    for (const { job, evidence } of plan) if (evidence) this.#toLook.set(job.id, evidence);
    // What a turn has done, as a fence, may leave more for the next.
    while (this.#toLook.size > 0 && !this.#degraded) this.#turn({ start: false });
  }

  /** Allows jobs to start. */
  begin(): void {
    this.#started = true;
    this.#queueTurn();
  }
  #started = false;

  // What requests do, within a turn.

  submit(
    spec: Parameters<Journal["insertJob"]>[0],
    uid: number,
    demand: QueuedJob["demand"],
  ): number {
    const { id, event } = this.#parts.journal.insertJob(spec, uid, wallMs());
    this.#events.push(event);
    this.#enqueue({ id, demand, attempts: 0, state: "QUEUED" });
    return id;
  }

  /** Asks a live job to end, unless it is being stopped or has just ended by itself. */
  stop(job: LiveJob, kind: Stop): void {
    if (!isStarted(job)) {
      this.#apply(job, { kind: "ended", end: cancelledInQueue() });
      return;
    }
    this.look(job.id);
    if (job.stopping || hasEndedByItself(job, this.#survey.look(job))) return;
    this.#apply(job, { kind: "stopping", stopping: { kind, sinceBootMs: bootMs() } });
  }

  /** Held while its leader is there. */
  leaderHandle(id: number): ProcessHandle | undefined {
    return this.#parts.grip.leaderHandle(id);
  }

  setDraining(draining: boolean): void {
    this.#parts.journal.setSetting("draining", draining ? "yes" : "no");
    this.#draining = draining;
  }

  afterCommit(effect: () => void): void {
    this.#effects.push(effect);
  }

  // Ways to end.

  /** Starts nothing more; jobs keep running for the next supervisor. */
  handOver(): void {
    this.#closing = "handOver";
    this.#wakes.clear();
  }

  /** Stops every started job. Queued ones stay queued for the next supervisor. */
  terminate(): void {
    this.#closing = "terminate";
    this.request(() => {
      for (const job of this.#live.values()) if (isStarted(job)) this.stop(job, "shutdown");
    }, () => {});
  }

  // The turn.

  #queueTurn(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    queueMicrotask(() => this.#turn({ start: true }));
  }

  #turn(options: { start: boolean }): void {
    this.#turnQueued = false;
    if (this.#closing === "handOver") return this.#refuseAll("the supervisor is ending");
    const requests = this.#requests.splice(0);
    const looks = this.#toLook;
    this.#toLook = new Map();
    if (this.#degraded) {
      this.#refuse(requests, this.#degraded.message);
      for (const [id, evidence] of looks) this.#reconcile(id, evidence);
      return this.#finish([]);
    }
    try {
      const answers = this.#parts.journal.transact(() => {
        const answers = requests.map((request) => answer(request));
        for (const [id, evidence] of looks) this.#reconcile(id, evidence);
        if (options.start) this.#startJobs();
        return answers;
      });
      this.#finish(requests.map((request, i) => () => request.respond(answers[i]!)));
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      this.#degrade(error.message);
      this.#refuse(requests, error.message);
    }
    this.onTurn();
  }

  /** After the commit: replies first, since somebody waits for them. */
  #finish(replies: (() => void)[]): void {
    const events = this.#events.splice(0);
    const effects = this.#effects.splice(0);
    for (const reply of replies) reply();
    if (events.length > 0) { for (const subscriber of this.#subscribers) subscriber(events); }
    for (const effect of effects) this.#try(effect);
    this.#survey.refresh();
  }

  #try(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#parts.log.error("failed", { what: String(error) });
    }
  }

  #refuse(requests: Request[], message: string): void {
    const refused = { error: "JournalUnavailable", message } as const;
    for (const { respond } of requests) respond({ refused });
  }

  #refuseAll(message: string): void {
    this.#refuse(this.#requests.splice(0), message);
  }

  /** Takes one started job as far as it can go now. */
  #reconcile(id: number, evidence?: Evidence): void {
    let job = this.#live.get(id);
    let family: ProcessIdentity[] | undefined;
    let seen = evidence;
    while (job && isStarted(job)) {
      seen ??= this.#survey.look(job);
      const progress: Progress = this.#progress.get(id) ?? NO_PROGRESS;
      const step = nextStep(job, seen, family, progress, bootMs());
      switch (step.kind) {
        case "wait":
          this.#wakes.set(id, step.untilBootMs);
          this.#tellUnverifiable(id, step.unverifiable);
          return;
        case "journal": {
          if (this.#degraded) return;
          const after: Job = this.#apply(job, step.change);
          if (isEnded(after)) return;
          job = after;
          seen = { ...seen, held: true };
          break;
        }
        case "lookAtFamily":
          family = this.#survey.family(job);
          this.#noteFamily(job, progress, family);
          break;
        case "fence":
          return this.#fence(job);
        case "ask":
          return this.#ask(job, progress);
        case "askFamily":
          return this.#signalFamily(job, step.members, SIGTERM);
        case "killFamily":
          return this.#signalFamily(job, step.members, SIGKILL);
      }
    }
  }

  #tellUnverifiable(id: number, cause: string | undefined): void {
    if (cause === this.#unverifiable.get(id)) return;
    if (cause === undefined) {
      this.#unverifiable.delete(id);
      return;
    }
    this.#unverifiable.set(id, cause);
    this.#parts.log.warn("unverifiable", { job: id, cause, doing: "left as it is, looking again" });
  }

  #noteFamily(job: StartedJob, progress: Progress, family: ProcessIdentity[]): void {
    if (family.length === 0) return;
    const looks = progress.looks + 1;
    const overSinceBootMs = progress.overSinceBootMs ?? bootMs();
    this.#progress.set(job.id, { ...progress, looks, overSinceBootMs });
    if (looks !== LOOKS_BEFORE_TOLD) return;
    const pids = family.map(({ pid }) => pid).join(" ");
    this.#parts.log.warn("processes do not end", { job: job.id, pids, doing: "trying again" });
  }

  #fence(job: StartedJob): void {
    this.afterCommit(() => {
      this.#parts.files.fence(job.id, job.attempt.number);
      this.look(job.id);
    });
  }

  #ask(job: StartedJob, progress: Progress): void {
    this.#progress.set(job.id, { ...progress, asked: true });
    this.afterCommit(() => {
      const leader = this.#parts.grip.leaderHandle(job.id);
      // A stopped process acts on SIGTERM only once it is continued.
      if (leader?.signalGroup(SIGTERM)) leader.signalGroup(SIGCONT);
      this.look(job.id);
    });
  }

  #signalFamily(job: StartedJob, members: readonly ProcessIdentity[], signal: number): void {
    const progress = this.#progress.get(job.id) ?? NO_PROGRESS;
    this.#progress.set(job.id, { ...progress, leftoversAsked: true });
    this.#wakes.set(job.id, bootMs() + familyPollMs(progress));
    this.afterCommit(() => {
      for (const member of members) {
        signalProcess(member, signal);
        if (signal === SIGTERM) signalProcess(member, SIGCONT);
      }
    });
  }

  #startJobs(): void {
    if (!this.#started || this.#draining || this.#closing) return;
    const { capacity, ground, journal } = this.#parts;
    const free = {
      cpus: capacity.cpus - this.#used.cpus,
      memory: capacity.memory - this.#used.memory,
    };
    const starts = schedule(this.#queue.ready(), free, STARTS_A_TURN);
    for (const job of starts) {
      const attempt = { number: job.attempts + 1, token: crypto.randomUUID(), ground };
      this.#apply(job, { kind: "starting", attempt });
      const { spec } = journal.job(job.id)!;
      this.afterCommit(() => this.#spawn(job.id, attempt, spec));
    }
    if (starts.length === STARTS_A_TURN) {
      this.afterCommit(() => setTimeout(() => this.#queueTurn()));
    }
  }

  #spawn(
    id: number,
    attempt: Attempt,
    spec: { command: string[]; directory?: string; environment?: Record<string, string> },
  ): void {
    const { files, spawner, grip } = this.#parts;
    let refused: string;
    try {
      files.create(id);
      const spawned = spawner.spawn({
        id,
        claim: claimName(attempt.number),
        token: attempt.token,
        directory: spec.directory ?? "/",
        command: spec.command,
        environment: spec.environment ?? NO_ENVIRONMENT,
      });
      if ("pid" in spawned) {
        grip.spawned(id, spawned.pid);
        this.#wakes.set(id, bootMs() + 1000);
        return;
      }
      refused = spawned.refused;
    } catch (error) {
      refused = error instanceof Error ? error.message : String(error);
    }
    grip.spawnRefused(id, refused);
    this.look(id);
  }

  // Changes.

  #apply(job: LiveJob, change: Change): Job {
    const after = transition(job, change);
    this.#events.push(this.#parts.journal.record(after, change, wallMs()));
    this.#log(after, change);
    if (job.state === "QUEUED") this.#queue.remove(job);
    else if (!isStarted(after)) this.#use(job, -1);
    if (isEnded(after)) {
      this.#ended(after.id, after.state === "COMPLETED");
      return after;
    }
    this.#live.set(after.id, after);
    if (job.state === "QUEUED" && isStarted(after)) this.#use(after, 1);
    if (after.state === "QUEUED") {
      this.#forget(after.id);
      this.#queue.add(after, []);
    }
    if (change.kind === "running") this.#try(() => this.#take(after.id, change));
    return after;
  }

  #take(id: number, { shim, leader }: Change & { kind: "running" }): void {
    this.#parts.grip.take(id, shim, leader);
  }

  #ended(id: number, completed: boolean): void {
    this.#live.delete(id);
    this.#forget(id);
    this.afterCommit(() => this.#parts.files.removeExitRecord(id));
    for (const dependent of this.#queue.ended(id, completed)) this.#cancelDependent(dependent, id);
  }

  #cancelDependent(job: QueuedJob, on: number): void {
    const message = `job ${on}, which it was to follow, did not complete`;
    const end = { state: "CANCELLED", reason: "dependency", message } as const;
    this.#apply(job, { kind: "ended", end: { ...end, endedAtMs: wallMs() } });
  }

  #forget(id: number): void {
    this.#progress.delete(id);
    this.#unverifiable.delete(id);
    this.#wakes.set(id, undefined);
    this.afterCommit(() => this.#parts.grip.letGo(id));
  }

  #use(job: StartedJob, sign: 1 | -1): void {
    this.#used.jobs += sign;
    this.#used.cpus += sign * job.demand.cpus;
    this.#used.memory += sign * job.demand.memory;
  }

  #enqueue(job: QueuedJob): void {
    this.#live.set(job.id, job);
    const waitsFor = job.demand.after.filter((id) => this.#live.has(id));
    this.#queue.add(job, waitsFor);
    if (waitsFor.length === job.demand.after.length) return;
    const failed = job.demand.after.find((id) => this.#hasFailed(id));
    if (failed !== undefined) this.#cancelDependent(job, failed);
  }

  /** A job that is no longer in the journal has ended long ago; its dependents knew its end then. */
  #hasFailed(id: number): boolean {
    if (this.#live.has(id)) return false;
    const state = this.#parts.journal.job(id)?.state;
    return state !== undefined && state !== "COMPLETED";
  }

  /** Rebuilds memory from the journal. */
  #load(): void {
    this.#live.clear();
    this.#queue = new Queue();
    this.#used = { jobs: 0, cpus: 0, memory: 0 };
    this.#draining = this.#parts.journal.setting("draining") === "yes";
    const jobs = this.#parts.journal.liveJobs();
    for (const job of jobs) this.#live.set(job.id, job);
    for (const job of jobs) {
      if (isStarted(job)) this.#use(job, 1);
      else this.#queue.add(job, job.demand.after.filter((id) => this.#live.has(id)));
    }
  }

  #log(job: Job, change: Change): void {
    const { log } = this.#parts;
    if (change.kind === "stopping") {
      log.info("stopping", { job: job.id, why: change.stopping.kind });
    } else if (isEnded(job)) {
      const { reason, message, exit } = job.end;
      log.info(job.state, {
        job: job.id,
        reason,
        exit: exit && `${exit.code}:${exit.signal}`,
        message,
      });
    } else log.debug(job.state, { job: job.id });
  }

  // The journal fails.

  /** Nothing of the turn has happened. Memory goes back to what the journal says. */
  #degrade(message: string): void {
    this.#events = [];
    this.#effects = [];
    const retryMs = Math.min(LAST_RETRY_MS, (this.#degraded?.retryMs ?? FIRST_RETRY_MS / 2) * 2);
    if (!this.#degraded) {
      this.#parts.log.error("journal unavailable", { message, doing: "refusing jobs, retrying" });
    }
    this.#degraded = { message, retryMs };
    this.#try(() => this.#load());
    setTimeout(() => this.#retry(), retryMs);
  }

  #retry(): void {
    if (this.#closing === "handOver") return;
    const { journal, log } = this.#parts;
    try {
      journal.transact(() => journal.setSetting("written", String(wallMs())));
    } catch (error) {
      this.#try(() => journal.reopen());
      return this.#degrade(error instanceof Error ? error.message : String(error));
    }
    this.#degraded = undefined;
    this.#load();
    log.warn("journal available again", {});
    this.execute(this.plan());
    this.#queueTurn();
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

function cancelledInQueue() {
  return { state: "CANCELLED", reason: "cancelled", endedAtMs: wallMs() } as const;
}
