/**
 * Takes one started job as far as it can go now: looks, decides, journals, and leaves what has an
 * effect outside (a fence, a shim, a signal) to be done after the commit.
 *
 * Contract: dying before an effect leaves the intent in the journal and the job as it was seen, so
 * the next look decides on the same step; dying after it leaves what it did to be seen. Nothing here
 * is remembered that cannot be found out again.
 */

import { bootMs } from "../host/clock.ts";
import { DEFAULT_ENVIRONMENT } from "../host/environment.ts";
import type { Grip } from "../host/grip.ts";
import { SIGCONT, SIGKILL, signalProcess, SIGTERM } from "../host/processes.ts";
import type { RunFiles } from "../host/run_files.ts";
import { claimName } from "../host/shim_script.ts";
import type { Spawner } from "../host/spawn.ts";
import type { ProcessIdentity } from "../job/identity.ts";
import { type Attempt, isStarted, type StartedJob } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { FullSpec } from "../job/spec.ts";
import type { Survey } from "../recover/survey.ts";
import type { Evidence } from "../recover/verdict.ts";
import type { Aftermath } from "./aftermath.ts";
import { familyPollMs, nextStep, NO_PROGRESS, type Progress } from "./decide.ts";
import type { Roster } from "./roster.ts";
import { Wakes } from "./wakes.ts";

export interface ReconcilerParts {
  readonly files: RunFiles;
  readonly spawner: Spawner;
  readonly grip: Grip;
  readonly survey: Survey;
  readonly roster: Roster;
  readonly aftermath: Aftermath;
  readonly log: Log;
  /** Asks for another look in the next turn. */
  readonly look: (id: number) => void;
}

/** Looks at a family that will not die before its pids are told. */
const LOOKS_BEFORE_TOLD = 8;
/**
 * When to look for a start. Most short jobs have ended by then, and their start and end share one
 * commit; nobody minds to see a job STARTING for so long.
 */
const FIRST_LOOK_MS = 20;
const FENCE_RETRY_MS = 1000;

export class Reconciler {
  readonly #progress = new Map<number, Progress>();
  readonly #unverifiable = new Map<number, string>();
  readonly #wakes: Wakes;

  constructor(private readonly parts: ReconcilerParts) {
    this.#wakes = new Wakes(bootMs, (ids) => ids.forEach(parts.look));
  }

  /** `mayJournal`: else it goes no further than what is journaled already. */
  reconcile(id: number, evidence: Evidence | undefined, mayJournal: boolean): void {
    const { roster, survey } = this.parts;
    let job = roster.get(id);
    let family: ProcessIdentity[] | undefined;
    let seen = evidence;
    while (job && isStarted(job)) {
      seen ??= survey.look(job);
      const progress = this.#progress.get(id) ?? NO_PROGRESS;
      const step = nextStep(job, seen, family, progress, bootMs());
      switch (step.kind) {
        case "wait":
          this.#wakes.set(id, step.untilBootMs);
          this.#tellUnverifiable(id, step.unverifiable);
          return;
        case "journal":
          if (!mayJournal) return;
          if (step.change.kind === "running") this.#take(id, step.change);
          roster.change(job, step.change);
          job = roster.get(id);
          seen = { ...seen, held: true };
          break;
        case "lookAtFamily":
          family = survey.family(job);
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

  /** Starts the shim of an attempt that has been journaled. */
  spawn(id: number, attempt: Attempt, spec: FullSpec): void {
    const { files, spawner, grip, look } = this.parts;
    let refused: string;
    try {
      files.create(id);
      const spawned = spawner.spawn({
        id,
        claim: claimName(attempt.number),
        token: attempt.token,
        directory: spec.directory ?? "/",
        command: spec.command,
        environment: spec.environment ?? DEFAULT_ENVIRONMENT,
      });
      if ("pid" in spawned) {
        grip.spawned(id, spawned.pid);
        this.#wakes.set(id, bootMs() + FIRST_LOOK_MS);
        return;
      }
      refused = spawned.refused;
    } catch (error) {
      refused = error instanceof Error ? error.message : String(error);
    }
    grip.spawnRefused(id, refused);
    look(id);
  }

  /** Jobs whose families are being ended: any orphan's end may be what they wait for. */
  endingFamilies(): number[] {
    return [...this.#progress].filter(([, { looks }]) => looks > 0).map(([id]) => id);
  }

  /** Forgets a job that has ended or gone back to the queue. */
  forget(id: number): void {
    this.#progress.delete(id);
    this.#unverifiable.delete(id);
    this.#wakes.set(id, undefined);
  }

  /** Looks no more by itself. */
  stop(): void {
    this.#wakes.clear();
  }

  #take(id: number, { shim, leader }: { shim?: ProcessIdentity; leader: ProcessIdentity }): void {
    try {
      this.parts.grip.take(id, shim, leader);
    } catch (error) {
      // Out of descriptors: the job is looked at by its pid, and held at the next chance.
      this.parts.log.error("cannot hold its processes", { job: id, cause: String(error) });
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

  #noteFamily(job: StartedJob, progress: Progress, family: ProcessIdentity[]): void {
    if (family.length === 0) return;
    const looks = progress.looks + 1;
    const overSinceBootMs = progress.overSinceBootMs ?? bootMs();
    this.#progress.set(job.id, { ...progress, looks, overSinceBootMs });
    if (looks !== LOOKS_BEFORE_TOLD) return;
    const pids = family.map(({ pid }) => pid).join(" ");
    this.parts.log.warn("processes do not end", { job: job.id, pids, doing: "trying again" });
  }

  #fence({ id, attempt }: StartedJob): void {
    const { aftermath, files, look } = this.parts;
    // For a disk that has no room for it now.
    this.#wakes.set(id, bootMs() + FENCE_RETRY_MS);
    aftermath.then(() => {
      files.fence(id, attempt.number);
      look(id);
    });
  }

  #ask({ id }: StartedJob, progress: Progress): void {
    const { aftermath, grip, look } = this.parts;
    this.#progress.set(id, { ...progress, asked: true });
    aftermath.then(() => {
      const leader = grip.leaderHandle(id);
      // A stopped process acts on SIGTERM only once it is continued.
      if (leader?.signalGroup(SIGTERM)) leader.signalGroup(SIGCONT);
      look(id);
    });
  }

  #signalFamily({ id }: StartedJob, members: readonly ProcessIdentity[], signal: number): void {
    const progress = this.#progress.get(id) ?? NO_PROGRESS;
    this.#progress.set(id, { ...progress, leftoversAsked: true });
    this.#wakes.set(id, bootMs() + familyPollMs(progress));
    this.parts.aftermath.then(() => {
      for (const member of members) {
        signalProcess(member, signal);
        if (signal === SIGTERM) signalProcess(member, SIGCONT);
      }
    });
  }
}
