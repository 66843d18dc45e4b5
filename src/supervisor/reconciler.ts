/**
 * Takes one started job as far as it can go now: looks, decides, journals, and leaves what has an
 * effect outside (a fence, a shim, a signal) to be done after the commit.
 *
 * Contract: dying before an effect leaves the intent in the journal and the job as it was seen, so
 * the next look decides on the same step; dying after it leaves what it did to be seen. Nothing here
 * is remembered that cannot be found out again.
 */

import { MS_PER_TICK, type ProcessIdentity } from "../job/identity.ts";
import { type Attempt, isStarted, type StartedJob } from "../job/job.ts";
import { type ArrayMember, variablesOf } from "../job/job_array.ts";
import type { Log } from "../job/log.ts";
import { DEFAULT_ENVIRONMENT, type FullSpec } from "../job/spec.ts";
import {
  type CgroupLimits,
  type Cgroups,
  type Clock,
  type Files,
  type Processes,
  type ShimNews,
  SIGCONT,
  SIGKILL,
  signalProcess,
  SIGTERM,
} from "../ports.ts";
import { cgroupOf } from "../recover/family.ts";
import type { Grip } from "../recover/grip.ts";
import type { Survey } from "../recover/survey.ts";
import type { Evidence } from "../recover/verdict.ts";
import type { Journal } from "../store/journal.ts";
import type { Aftermath } from "./aftermath.ts";
import {
  familyPollMs,
  hasEndedByItself,
  nextStep,
  NO_PROGRESS,
  type Progress,
  START_POLL_MS,
  UNVERIFIABLE_POLL_MS,
} from "./decide.ts";
import { endingNote } from "./ending_note.ts";
import type { Roster } from "./roster.ts";
import type { Starts } from "./starts.ts";
import { Wakes } from "./wakes.ts";

export interface ReconcilerParts {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly files: Files;
  readonly cgroups?: Cgroups;
  readonly journal: Journal;
  readonly grip: Grip;
  readonly survey: Survey;
  readonly roster: Roster;
  readonly aftermath: Aftermath;
  readonly log: Log;
  readonly starts: Starts;
  /** Asks for another look in the next turn. */
  readonly look: (id: number) => void;
}

/** So many times SIGKILL is sent to a family before it is told that it does not die of it. */
const KILLS_BEFORE_TOLD = 8;
const FENCE_RETRY_MS = 1000;
/** Since its leader was born; what it does before it executes the command takes no time to speak of. */
const HANGS_AFTER_MS = 2000;

export class Reconciler {
  readonly #progress = new Map<number, Progress>();
  readonly #unverifiable = new Map<number, string>();
  /** What is told of jobs that take long to end. */
  readonly #notes = new Map<number, string>();
  readonly #hanging = new Set<number>();
  readonly #wakes: Wakes;

  constructor(private readonly parts: ReconcilerParts) {
    this.#wakes = new Wakes(parts.clock, (ids) => ids.forEach(parts.look));
  }

  /** `mayJournal`: else it goes no further than what is journaled already. */
  reconcile(id: number, evidence: Evidence | undefined, mayJournal: boolean): void {
    const { roster, survey, clock } = this.parts;
    let job = roster.get(id);
    let family: ProcessIdentity[] | undefined;
    let seen = evidence;
    while (job && isStarted(job)) {
      seen ??= survey.look(job);
      const progress = this.#progress.get(id) ?? NO_PROGRESS;
      const step = nextStep(job, seen, family, progress, clock.bootMs());
      switch (step.kind) {
        case "wait":
          this.#wakes.set(id, step.untilBootMs);
          this.#noteStart(job, seen);
          this.#tellUnverifiable(id, step.unverifiable);
          return this.#continue(step.shim);
        case "journal":
          if (!mayJournal) return;
          // On another ground the same pid and start time may be a stranger's.
          if (step.change.kind === "running" && seen.sameGround && !seen.exit) {
            this.#take(job, step.change);
          }
          if (step.change.kind === "running" && step.change.adopted) this.#limitAgain(job);
          roster.change(job, step.change);
          job = roster.get(id);
          seen = { ...seen, held: true };
          break;
        case "lookAtFamily":
          family = this.#lookAtFamily(job, progress);
          if (!family) return this.#continue(seen.shim === "match" ? seen.shimIdentity : undefined);
          this.#noteFamily(job, progress, family, hasEndedByItself(job, seen));
          break;
        case "fence":
          return this.#fence(job);
        case "ask":
          return this.#ask(job, progress);
        case "askFamily":
          return this.#askFamily(job, step.members);
        case "killFamily":
          return this.#killFamily(job, seen, step.members);
      }
    }
  }

  /** Has the shim of an attempt started that has been journaled. */
  start(id: number, attempt: Attempt, spec: FullSpec, array?: ArrayMember): void {
    const { cgroups, grip, clock, starts } = this.parts;
    const { cgroup, number, token, cpuSet } = attempt;
    const hear = grip.listenTo(id, number, token, clock.bootMs());
    this.#wakes.set(id, clock.bootMs() + START_POLL_MS);
    try {
      if (cgroup !== undefined) cgroups?.make(cgroup, limitsOf(spec));
    } catch (error) {
      // The disk is full, say.
      const why = error instanceof Error ? error.message : String(error);
      return hear({ kind: "notForked", refusal: { why, by: "node" } });
    }
    const directory = spec.directory ?? "/";
    const { command, limits } = spec;
    const environment = {
      ...spec.environment ?? DEFAULT_ENVIRONMENT,
      ...array && variablesOf(array),
    };
    starts.start(
      { id, attempt: number, token, directory, command, environment, limits, cpuSet, cgroup },
      hear,
    );
  }

  /** Something was told of a job that has been started. */
  heard(id: number, { kind }: ShimNews): void {
    // What comes of these is told with them, or looked for in time.
    if (kind !== "forked" && kind !== "claimed") this.parts.look(id);
  }

  /** Jobs whose families are being ended: any orphan's end may be what they wait for. */
  endingFamilies(): number[] {
    return [...this.#progress].filter(([, { looks }]) => looks > 0).map(([id]) => id);
  }

  /** Why a job has not ended yet though its end has been asked for or seen. */
  note(id: number): string | undefined {
    return this.#notes.get(id);
  }

  /** Ids of jobs whose commands have not been executed yet, and should have been long ago. */
  get hanging(): Iterable<number> {
    return this.#hanging;
  }

  /** Ids of jobs of which SIGKILL does not end every process. */
  get unkillable(): number[] {
    return [...this.#progress].filter(([, { kills }]) => kills >= KILLS_BEFORE_TOLD)
      .map(([id]) => id);
  }

  /** Forgets a job that has ended or gone back to the queue. */
  forget(id: number): void {
    this.#progress.delete(id);
    this.#unverifiable.delete(id);
    this.#notes.delete(id);
    this.#hanging.delete(id);
    this.#wakes.set(id, undefined);
  }

  /** Looks no more by itself. */
  stop(): void {
    this.#wakes.clear();
  }

  #take(
    job: StartedJob,
    { shim, leader, adopted }: {
      shim?: ProcessIdentity;
      leader: ProcessIdentity;
      adopted: boolean;
    },
  ): void {
    const { grip, aftermath, log } = this.parts;
    try {
      grip.take(job, shim, leader);
    } catch (error) {
      // Out of descriptors: the end of an adopted job is told late then, by the regular check.
      log.error("cannot hold its processes", { job: job.id, cause: String(error) });
    }
    if (adopted) aftermath.then(() => grip.call(job.id));
  }

  /** systemd removes an empty cgroup of a unit that it starts again: its shim makes it anew, bare. */
  #limitAgain(job: StartedJob): void {
    const { aftermath, cgroups, journal } = this.parts;
    const { cgroup } = job.attempt;
    if (job.state !== "STARTING" || cgroup === undefined || !cgroups) return;
    aftermath.then(() => cgroups.limit(cgroup, limitsOf(journal.submissionOf(job.id).spec)));
  }

  /** Undefined when nobody can say who is left: then it is looked at again. */
  #lookAtFamily(job: StartedJob, progress: Progress): ProcessIdentity[] | undefined {
    const { clock, survey } = this.parts;
    try {
      const family = survey.family(job);
      if (!family) this.#wakes.set(job.id, clock.bootMs() + familyPollMs(progress));
      return family;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#wakes.set(job.id, clock.bootMs() + UNVERIFIABLE_POLL_MS);
      this.#tellUnverifiable(job.id, `what it left behind cannot be looked for: ${cause}`);
      return undefined;
    }
  }

  #tellUnverifiable(id: number, cause: string | undefined): void {
    if (cause === this.#unverifiable.get(id)) return;
    if (cause === undefined) {
      this.#unverifiable.delete(id);
      return;
    }
    this.#unverifiable.set(id, cause);
    this.parts.log.warn("unverifiable", { job: id, cause, doing: "left as it is, looking again" });
  }

  #noteStart(job: StartedJob, { leaderIdentity, startStep }: Evidence): void {
    const sinceMs = (leaderIdentity?.startTicks ?? Infinity) * MS_PER_TICK;
    const isHanging = job.state === "STARTING" && startStep !== undefined &&
      this.parts.clock.bootMs() - sinceMs >= HANGS_AFTER_MS;
    const wasHanging = this.#hanging.has(job.id);
    if (isHanging) this.#notes.set(job.id, `it hangs in its start, ${startStep}`);
    if (isHanging === wasHanging) return;
    if (isHanging) {
      this.#hanging.add(job.id);
      this.parts.log.warn("hangs in its start", { job: job.id, step: startStep });
    } else {
      this.#hanging.delete(job.id);
      this.#notes.delete(job.id);
    }
  }

  #noteFamily(
    { id }: StartedJob,
    progress: Progress,
    family: ProcessIdentity[],
    hasEnded: boolean,
  ): void {
    if (family.length === 0) return;
    const looks = progress.looks + 1;
    const overSinceBootMs = progress.overSinceBootMs ?? this.parts.clock.bootMs();
    this.#progress.set(id, { ...progress, looks, overSinceBootMs });
    const survivesKill = progress.kills >= KILLS_BEFORE_TOLD;
    const describe = (pid: number) => this.parts.processes.describe(pid);
    const note = endingNote(family.map(({ pid }) => pid), { hasEnded, survivesKill, describe });
    if (note !== undefined) this.#notes.set(id, note);
    if (progress.kills !== KILLS_BEFORE_TOLD) return;
    this.parts.log.warn("processes do not end", { job: id, note, doing: "trying again" });
  }

  #fence({ id, attempt }: StartedJob): void {
    const { aftermath, clock, files, look } = this.parts;
    // For a disk that has no room for it now.
    this.#wakes.set(id, clock.bootMs() + FENCE_RETRY_MS);
    aftermath.then(() => {
      files.fence(id, attempt.number);
      look(id);
    });
  }

  #ask({ id }: StartedJob, progress: Progress): void {
    const { aftermath, grip, look } = this.parts;
    aftermath.then(() => {
      this.#progress.set(id, { ...progress, asked: true });
      const leader = grip.leaderHandle(id);
      // A stopped process acts on SIGTERM only once it is continued.
      if (leader?.signalGroup(SIGTERM)) leader.signalGroup(SIGCONT);
      look(id);
    });
  }

  #continue(shim: ProcessIdentity | undefined): void {
    const { aftermath, processes } = this.parts;
    if (shim) aftermath.then(() => signalProcess(processes, shim, SIGCONT));
  }

  #askFamily({ id }: StartedJob, members: readonly ProcessIdentity[]): void {
    const progress = this.#progress.get(id) ?? NO_PROGRESS;
    const { aftermath, clock, processes } = this.parts;
    this.#wakes.set(id, clock.bootMs() + familyPollMs(progress));
    aftermath.then(() => {
      this.#progress.set(id, { ...progress, leftoversAsked: true });
      for (const member of members) {
        signalProcess(processes, member, SIGTERM);
        signalProcess(processes, member, SIGCONT);
      }
    });
  }

  #killFamily(
    job: StartedJob,
    { shim, shimIdentity }: Evidence,
    members: readonly ProcessIdentity[],
  ): void {
    const { id } = job;
    const progress = this.#progress.get(id) ?? NO_PROGRESS;
    const { aftermath, cgroups, clock, grip, processes } = this.parts;
    this.#wakes.set(id, clock.bootMs() + familyPollMs(progress));
    aftermath.then(() => {
      this.#progress.set(id, { ...progress, kills: progress.kills + 1 });
      for (const member of members) signalProcess(processes, member, SIGKILL);
      // All at once: who forks as fast as it is killed one by one would never be caught up with.
      grip.leaderHandle(id)?.signalGroup(SIGKILL);
      const cgroup = cgroupOf(job, cgroups);
      if (cgroup !== undefined) cgroups?.kill(cgroup);
      else if (shim === "match" && shimIdentity) processes.killChildren(shimIdentity);
    });
  }
}

function limitsOf({ cpus, memory, limits }: FullSpec): CgroupLimits {
  return { cpus, memory, processes: limits?.processes };
}
