/**
 * What clients may ask for that changes something. Each runs within a turn of the supervisor and is
 * answered when it is on disk; what is refused has changed nothing.
 */

import { constants } from "node:os";
import { wallMs } from "../host/clock.ts";
import { DEFAULT_ENVIRONMENT } from "../host/environment.ts";
import { cannotEnter, cannotExecute } from "../host/lookup.ts";
import type { RunFiles } from "../host/run_files.ts";
import { isStarted, type LiveJob } from "../job/job.ts";
import { refuse } from "../job/refusal.ts";
import { type FullSpec, type InvalidField, sameSpec } from "../job/spec.ts";
import type { Journal } from "../store/journal.ts";
import { demandOf, type JobRecord } from "../store/records.ts";
import type { Free } from "./schedule.ts";
import type { Supervisor } from "./supervisor.ts";

export class Requests {
  constructor(
    private readonly supervisor: Supervisor,
    private readonly journal: Journal,
    private readonly files: RunFiles,
    private readonly limits: { capacity: Free; queued: number; user: string; retentionMs: number },
  ) {}

  submit(spec: FullSpec, uid: number): { job: JobRecord; created: boolean } {
    const first = spec.key === undefined ? undefined : this.journal.jobByKey(spec.key);
    if (first && !sameSpec(first.spec, spec)) refuse({ error: "KeyConflict", id: first.id });
    if (first) return { job: first, created: false };
    if (this.supervisor.status.draining) refuse({ error: "Draining" });
    const { queued } = this.limits;
    if (this.supervisor.status.queued >= queued) refuse({ error: "QueueFull", limit: queued });
    const invalid = this.#cannotRun(spec);
    if (invalid) refuse({ error: "InvalidJob", ...invalid });
    const id = this.supervisor.roster.add(spec, demandOf(spec), uid);
    return { job: this.journal.job(id)!, created: true };
  }

  resubmit(id: number, uid: number): { job: JobRecord } {
    const { key: _, ...spec } = this.#known(id).spec;
    return { job: this.submit(spec, uid).job };
  }

  cancel(id: number): { job: JobRecord } {
    const live = this.supervisor.roster.get(id);
    if (live) this.supervisor.stop(live, "cancel");
    return { job: this.#known(id) };
  }

  signal(id: number, signal: number): { job: JobRecord } {
    const job = this.#known(id);
    if (job.endedAtMs !== undefined) refuse({ error: "JobEnded", id, state: job.state });
    const live: LiveJob | undefined = this.supervisor.roster.get(id);
    const leader = live && isStarted(live) ? this.supervisor.leaderHandle(id) : undefined;
    if (!leader?.signalGroup(signal)) refuse({ error: "NotRunning", id, state: job.state });
    return { job };
  }

  setDraining(draining: boolean): Record<string, never> {
    this.supervisor.setDraining(draining);
    return {};
  }

  /** Removes jobs that ended longer ago than `olderThanMs`, at most `limit`. Returns how many. */
  prune(olderThanMs = this.limits.retentionMs, limit = 500): number {
    const ids = this.journal.endedBefore(wallMs() - olderThanMs, limit);
    for (const id of ids) {
      // The files first: a job whose files are gone is pruned again, files without a job never.
      this.files.removeRun(id);
      this.journal.removeJob(id);
    }
    return ids.length;
  }

  #known(id: number): JobRecord {
    return this.journal.job(id) ?? refuse({ error: "NoSuchJob", id });
  }

  #cannotRun(spec: FullSpec): InvalidField | undefined {
    const { capacity, user } = this.limits;
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
    const unknown = spec.after.find((id) => !this.journal.job(id));
    if (unknown !== undefined) {
      return { field: "after", message: `names job ${unknown}, which is not known` };
    }
    // What the jobs before it will make cannot be looked for now.
    if (spec.after.length > 0) return undefined;
    const directory = spec.directory ?? "/";
    const lost = cannotEnter(directory);
    if (lost !== undefined) return { field: "directory", message: lost };
    const path = (spec.environment ?? DEFAULT_ENVIRONMENT).PATH ?? DEFAULT_ENVIRONMENT.PATH!;
    const missing = cannotExecute(spec.command[0]!, directory, path);
    return missing === undefined ? undefined : { field: "command", message: missing };
  }
}

/** A signal by its number, or its name with or without SIG; undefined when there is none such. */
export function signalNumber(text: string): number | undefined {
  const signals = constants.signals as Record<string, number>;
  const upper = text.toUpperCase();
  const number = /^\d+$/.test(text)
    ? Number(text)
    : signals[upper.startsWith("SIG") ? upper : `SIG${upper}`];
  return number !== undefined && number >= 1 && number <= 64 ? number : undefined;
}
