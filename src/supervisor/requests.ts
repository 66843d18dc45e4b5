/**
 * What clients may ask for that changes something. Each runs within a turn of the supervisor and is
 * answered when it is on disk; what is refused has changed nothing.
 */

import { isStarted, type LiveJob } from "../job/job.ts";
import { refuse } from "../job/refusal.ts";
import { parseArray } from "../job/job_array.ts";
import { asBefore, beyondNode, type NodeLimits, onNode } from "../job/node_limits.ts";
import {
  DEFAULT_TIMEOUT_S,
  differingField,
  type FullSpec,
  type InvalidField,
  readSpec,
} from "../job/spec.ts";
import type { Clock, Files } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { JobRecord } from "../store/records.ts";
import { sizeText } from "../units.ts";
import type { Amount } from "./lanes.ts";
import type { Supervisor } from "./supervisor.ts";

export interface RequestsParts {
  readonly supervisor: Supervisor;
  readonly journal: Journal;
  readonly files: Files;
  readonly clock: Clock;
  readonly capacity: Amount;
  readonly limits: NodeLimits;
  readonly maxQueued: number;
  /** The one user whose jobs can be run. */
  readonly user: string;
  readonly retentionMs: number;
}

const MAX_ARRAY_BYTES = 2 ** 28;

export class Requests {
  constructor(private readonly parts: RequestsParts) {}

  /** Checks what a client sent, and fills in what is the same for every job. */
  read(input: unknown): FullSpec | InvalidField {
    const { maxTimeout = DEFAULT_TIMEOUT_S } = this.parts.limits;
    return readSpec(input, Math.min(DEFAULT_TIMEOUT_S, maxTimeout));
  }

  submit(asked: FullSpec, uid: number): { job: JobRecord; created: boolean } {
    const { supervisor, journal, maxQueued, limits } = this.parts;
    const first = asked.key === undefined ? undefined : journal.jobByKey(asked.key);
    const field = first && differingField(first.spec, asBefore(asked, first.spec));
    if (field) refuse({ error: "KeyConflict", id: first.id, field });
    if (first) return { job: first, created: false };
    if (supervisor.status.draining) refuse({ error: "Draining" });
    const spec = onNode(asked, limits);
    const indexes = indexesOf(spec);
    if (supervisor.status.queued + (indexes?.length ?? 1) > maxQueued) {
      refuse({ error: "QueueFull", limit: maxQueued });
    }
    const invalid = beyondNode(spec, limits) ?? this.#cannotRun(spec, indexes);
    if (invalid) refuse({ error: "InvalidJob", ...invalid });
    return { job: journal.job(this.#add(spec, uid, indexes))!, created: true };
  }

  /** Of a job of an array the whole array. */
  resubmit(id: number, uid: number): { job: JobRecord } {
    const { key: _, ...spec } = this.#known(id).spec;
    return { job: this.submit(spec, uid).job };
  }

  cancel(id: number, wholeArray = false): { job: JobRecord } {
    const { supervisor } = this.parts;
    for (const job of this.#live(id, wholeArray)) supervisor.stop(job, "cancel");
    return { job: this.#known(id) };
  }

  /** Keeps a queued job from starting; of an array those that have not been started. */
  hold(id: number, wholeArray: boolean): { job: JobRecord } {
    return this.#setHeld(id, wholeArray, "held");
  }

  release(id: number, wholeArray: boolean): { job: JobRecord } {
    return this.#setHeld(id, wholeArray, "released");
  }

  signal(id: number, signal: number): { job: JobRecord } {
    const job = this.#known(id);
    if (job.endedAtMs !== undefined) refuse({ error: "JobEnded", id, state: job.state });
    const { supervisor } = this.parts;
    const live: LiveJob | undefined = supervisor.roster.get(id);
    const leader = live && isStarted(live) ? supervisor.leaderHandle(id) : undefined;
    if (!leader?.signalGroup(signal)) refuse({ error: "NotRunning", id, state: job.state });
    return { job };
  }

  setDraining(draining: boolean): Record<string, never> {
    this.parts.supervisor.setDraining(draining);
    return {};
  }

  /** Removes jobs that ended longer ago than `olderThanMs`, at most `limit`. Returns how many. */
  prune(olderThanMs = this.parts.retentionMs, limit = 500): number {
    const { journal, files, clock } = this.parts;
    const ids = journal.endedBefore(clock.wallMs() - olderThanMs, limit);
    for (const id of ids) {
      // The files first: a job whose files are gone is pruned again, files without a job never.
      files.removeRun(id);
      journal.removeJob(id);
    }
    return ids.length;
  }

  /** The id of the job, or of the first one of an array. */
  #add(spec: FullSpec, uid: number, indexes: readonly number[] | undefined): number {
    const { roster } = this.parts.supervisor;
    if (!indexes) return roster.add(spec, uid);
    const size = indexes.length;
    const [first, ...others] = indexes;
    const id = roster.add(spec, uid, { index: first!, size });
    for (const index of others) roster.add(spec, uid, { id, index, size });
    return id;
  }

  #setHeld(id: number, wholeArray: boolean, kind: "held" | "released"): { job: JobRecord } {
    const { state } = this.#known(id);
    const { roster } = this.parts.supervisor;
    const queued = this.#live(id, wholeArray).filter((job) => job.state === "QUEUED");
    if (queued.length === 0) refuse({ error: "NotQueued", id, state });
    for (const job of queued) {
      if (job.held !== (kind === "held")) roster.change(job, { kind });
    }
    return { job: this.#known(id) };
  }

  /** The job, or every job of its array, as far as they have not ended. */
  #live(id: number, wholeArray: boolean): LiveJob[] {
    const { roster } = this.parts.supervisor;
    const array = wholeArray ? this.#known(id).array : undefined;
    if (array) return roster.ofArray(array.id);
    const job = roster.get(id);
    return job ? [job] : [];
  }

  #known(id: number): JobRecord {
    return this.parts.journal.job(id) ?? refuse({ error: "NoSuchJob", id });
  }

  #cannotRun(spec: FullSpec, indexes?: readonly number[]): InvalidField | undefined {
    const { capacity, user, journal, supervisor } = this.parts;
    if (spec.cpus > capacity.cpus) {
      return {
        field: "cpus",
        message: `is ${spec.cpus}, and this node gives out ${capacity.cpus}`,
      };
    }
    if (spec.memory > capacity.memory) {
      const message = `is ${spec.memory} bytes, and this node gives out ${capacity.memory}`;
      return { field: "memory", message };
    }
    if (spec.user !== undefined && spec.user !== user) {
      return { field: "user", message: `must be ${user}, whom this supervisor runs as` };
    }
    if (spec.pool !== undefined && !supervisor.roster.pools.get(spec.pool)) {
      const message =
        `is ${spec.pool}, and this node has no such pool; holdfast set-pool makes one`;
      return { field: "pool", message };
    }
    const tooBig = indexes && tooBigArray(spec, indexes.length);
    if (tooBig) return { field: "array", message: tooBig };
    const unknown = spec.after.find((id) => !journal.stateOf(id));
    return unknown === undefined
      ? undefined
      : { field: "after", message: `names job ${unknown}, which is not known` };
  }
}

/** The indexes of the array that it asks for; undefined for a single job. */
function indexesOf({ array }: FullSpec): readonly number[] | undefined {
  const parsed = array === undefined ? array : parseArray(array);
  return typeof parsed === "string" ? undefined : parsed?.indexes;
}

/** Every job of an array has its spec in the journal: what is wrong with so many so big ones. */
function tooBigArray(spec: FullSpec, jobs: number): string | undefined {
  if (jobs === 1 || jobs * JSON.stringify(spec).length <= MAX_ARRAY_BYTES) return undefined;
  return `has ${jobs} jobs, which would need more than ${sizeText(MAX_ARRAY_BYTES)} of journal; ` +
    "send a smaller environment";
}
