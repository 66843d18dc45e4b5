/**
 * What is left of one job where its journal is rebuilt, and what becomes of it by that: rows that make
 * sense count first, then its events, then its files and processes. A value; it does nothing.
 */

import { type Ground, UNKNOWN_GROUND } from "../job/identity.ts";
import type { State } from "../job/job.ts";
import { type FullSpec, isInvalid, readSpec, type Spec } from "../job/spec.ts";
import type { JobProcess } from "../ports.ts";
import type { Columns } from "./mend.ts";
import {
  type Here,
  mendAllocation,
  type MendedAllocation,
  NO_PROCESSES,
} from "./mend_allocation.ts";
import {
  eventAt,
  exitOf,
  isEnd,
  isStarted,
  type MendedJob,
  mendJob,
  reasonOf,
} from "./mend_job.ts";
import { lostToken, type Remains } from "./plan_remains.ts";

/**
 * kept: as its row says; ended: its events tell that and how it ended; started: it may have been
 * executed, and the next start finds out what became of it; cancelled: it was to follow a lost job;
 * lost: nothing to make a row of.
 */
export type RebuildFate = "kept" | "ended" | "started" | "cancelled" | "lost";

export interface RebuildItem {
  readonly id: number;
  readonly fate: RebuildFate;
  readonly why: string;
  readonly job?: Columns;
  readonly allocation?: Columns;
  /** Columns of its rows that held what no journal has written. */
  readonly damaged: readonly string[];
}

export interface Surroundings extends Here {
  /** Whom jobs belong to whose owner is lost. */
  readonly uid: number;
  readonly atMs: number;
}

export interface Left {
  /** The row of the job. */
  readonly columns?: Columns;
  readonly allocation?: Columns;
  /** Its own, mended, in their order. */
  readonly events: readonly Columns[];
  readonly remains?: Remains;
}

const ROW_LOST = "its row in the journal cannot be read";

/** What is left of one job. */
export class JobTraces {
  readonly #job?: MendedJob;
  readonly #allocation?: MendedAllocation;

  constructor(
    private readonly id: number,
    private readonly input: Surroundings,
    private readonly left: Left,
  ) {
    const { columns, allocation, events, remains } = left;
    this.#job = columns && mendJob(columns, { ...input, events, remains });
    this.#allocation = allocation && mendAllocation(allocation, this.#job, remains, input);
  }

  item(): RebuildItem {
    const row = this.#job?.row;
    const doubt = this.#job?.doubt;
    const state: State | undefined = doubt === undefined ? row?.state : undefined;
    if (isEnd(state)) return this.#kept(state);
    const end = this.left.events.findLast((event) => isEnd(event.state));
    if (end) return this.#endedBy(end);
    if (isStarted(state) && this.#allocation?.isOfUse && !this.#isOfAnother(row!)) {
      return this.#kept(state!);
    }
    const { claimed, exitAtMs, processes = [], unreadable } = this.left.remains ?? {};
    if (claimed) return this.#started("a shim has claimed it");
    if (exitAtMs !== undefined) return this.#started("it left an exit record");
    if (processes.length > 0) return this.#started(`pid ${processes[0]!.pid} belongs to it`);
    if (unreadable !== undefined) return this.#started(`its files cannot be read: ${unreadable}`);
    if (this.#allocation && !isStarted(state)) {
      return this.#started(doubt ?? "it has an allocation");
    }
    if (state === "QUEUED") return this.#kept(state);
    if (row) return this.#started(doubt ?? `it was ${state}, and its allocation cannot be read`);
    const last: State | undefined = this.left.events.at(-1)?.state;
    if (isStarted(last)) return this.#started(`it was ${last}`);
    return this.#is("lost", `${ROW_LOST}${this.#lostHint(last)}`);
  }

  #is(fate: RebuildFate, why: string): RebuildItem {
    const ofJob = this.#job?.damaged ?? (this.left.columns ? ["spec"] : []);
    const damaged = [...ofJob, ...(this.#allocation?.damaged ?? [])];
    return { id: this.id, fate, why, damaged };
  }

  #kept(state: State): RebuildItem {
    const allocation = this.#allocation?.row;
    return { ...this.#is("kept", state), job: this.#job!.row, allocation };
  }

  /** Whether an attempt has been claimed that its row does not know of. */
  #isOfAnother({ state, attempts }: Columns): boolean {
    const claimed = this.left.remains?.claimed?.number ?? attempts;
    return state === "STARTING" ? claimed !== attempts : claimed > attempts;
  }

  #lostHint(last: State | undefined): string {
    if (last === "QUEUED") return "; it was queued and never ran";
    if (this.left.remains?.hasDirectory) {
      return "; no shim has claimed it, so it never ran or was pruned";
    }
    return "; if it was queued, it is lost";
  }

  #endedBy({ state, at, message, ...event }: Columns): RebuildItem {
    const row = this.#job?.row;
    const { exit_code = null, started_at = null } = row ?? {};
    const reason = event.reason ?? reasonOf(state, exit_code);
    const hasStarted = eventAt("STARTING", this.left.events) !== undefined;
    const job = {
      ...(row ?? this.#placeholder()),
      state,
      stopping: null,
      stopping_boot_ms: null,
      reason,
      message: row ? message : joined(message, ROW_LOST),
      exit_code: exit_code ?? exitOf(state, reason, hasStarted),
      started_at: started_at ?? eventAt("RUNNING", this.left.events),
      ended_at: at,
    };
    const allocation = this.#allocation &&
      { ...this.#allocation.row, released: 1, released_time: at };
    return { ...this.#is("ended", `its events say ${state} ${reason}`), job, allocation };
  }

  /** STARTING, of the attempt that was claimed: so a start adopts it, or ends it by what it finds. */
  #started(why: string): RebuildItem {
    const { claimed, isAlive = false } = this.left.remains ?? {};
    const row = this.#job?.row;
    const job: Columns = {
      ...(row ?? this.#placeholder()),
      ...NOT_ENDED,
      state: "STARTING",
      attempts: claimed?.number ?? Math.max(1, row?.attempts ?? 1),
      stopping_boot_ms: row?.stopping ? row.stopping_boot_ms : null,
    };
    const spec = JSON.parse(job.spec);
    const { ground, nodeName } = this.input;
    const allocation = {
      allocated_cpus: spec.cpus,
      allocated_memory: spec.memory,
      node_name: nodeName,
      ...this.#attempt(isAlive ? ground : UNKNOWN_GROUND),
      job_id: this.id,
      released: 0,
      released_time: null,
    };
    const where = !isAlive
      ? "no process of it is known to be alive"
      : this.#job
      ? "it runs"
      : "it runs, without a timeout: what was asked for is lost";
    return { ...this.#is("started", `${why}; ${where}`), job, allocation };
  }

  /**
   * What its allocation says of the attempt that was claimed. Of one that nobody has claimed it must
   * not count where it ran: a start would forbid it and queue the job again.
   */
  #attempt({ bootId, pidNamespace }: Ground): Columns {
    const { claimed } = this.left.remains ?? {};
    const allocation = this.#allocation?.row;
    const unknown = { boot_id: bootId, pid_namespace: pidNamespace };
    if (claimed?.token !== undefined && claimed.token === allocation?.token) {
      return { ...allocation, ...NO_PROCESSES };
    }
    const isStill = claimed?.token === undefined && isStarted(this.#job?.row.state);
    const token = claimed?.token ?? (isStill ? allocation?.token : undefined);
    return { ...unknown, token: token ?? lostToken(this.id) };
  }

  #placeholder(): Columns {
    const { leader, claimed } = this.left.remains ?? {};
    const lost = {
      command: ["(lost with the journal)"],
      name: "lost with the journal",
      cpus: this.#allocation?.row.allocated_cpus,
      memory: this.#allocation?.row.allocated_memory,
      timeout: 0,
    };
    const seen = leader && readSpec({ ...lost, ...specOf(leader) });
    const spec = seen && !isInvalid(seen) ? seen : readSpec(lost) as FullSpec;
    return {
      id: this.id,
      key: null,
      name: spec.name,
      uid: this.input.uid,
      spec: JSON.stringify(spec),
      attempts: claimed?.number ?? 1,
      submitted_at: eventAt("QUEUED", this.left.events) ?? claimed?.atMs ?? this.input.atMs,
    };
  }
}

const NOT_ENDED = {
  reason: null,
  message: null,
  exit_code: null,
  core_dumped: 0,
  user_time_ms: null,
  system_time_ms: null,
  ended_at: null,
};

/** What a living leader tells of what was asked for. */
function specOf({ command, directory, environment }: JobProcess): Partial<Spec> {
  const isOwn = ([name]: [string, string]) => !/^HOLDFAST_(JOB_ID|TOKEN|SHIM)$/.test(name);
  const own = Object.fromEntries(Object.entries(environment).filter(isOwn));
  return { command: [...command], directory, environment: own };
}

function joined(...texts: (string | null | undefined)[]): string {
  return texts.filter(Boolean).join("; ");
}
