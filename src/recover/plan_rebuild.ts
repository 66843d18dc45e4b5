/**
 * What becomes of each job when its journal is rebuilt: from the rows that could be read, and from
 * what runs/, exits/ and /proc tell. A value; it does nothing. A job that may have been executed
 * is never queued again.
 */

import { type Ground, UNKNOWN_GROUND } from "../job/identity.ts";
import type { Reason, State } from "../job/job.ts";
import { type FullSpec, isInvalid, readSpec, type Spec } from "../job/spec.ts";
import type { JobProcess } from "../ports.ts";
import { lostToken, type Remains } from "./plan_remains.ts";

/** Columns by name, as in the journal's tables. */
export type Columns = Readonly<Record<string, any>>;

export interface RebuildInput {
  readonly jobs: readonly Columns[];
  readonly allocations: readonly Columns[];
  readonly events: readonly Columns[];
  readonly remains: ReadonlyMap<number, Remains>;
  /** Ids at which there is something that cannot be read. */
  readonly unreadable: readonly number[];
  readonly ground: Ground;
  readonly nodeName: string;
  /** Whom jobs belong to whose owner is lost. */
  readonly uid: number;
  readonly atMs: number;
}

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
}

const LIVE: readonly State[] = ["QUEUED", "STARTING", "RUNNING"];
const ENDED: readonly State[] = ["COMPLETED", "FAILED", "CANCELLED"];
const ROW_LOST = "its row in the journal cannot be read";

/** In the order of ids. Ids without a trace are not in it. */
export function planRebuild(input: RebuildInput): RebuildItem[] {
  const jobs = byId(input.jobs.filter(isWholeJob), "id");
  const isOfUse = (row: Columns) =>
    isWhole(row, ALLOCATION) &&
    (jobs.get(row.job_id)?.state !== "RUNNING" || row.process_id !== null);
  const allocations = byId(input.allocations.filter(isOfUse), "job_id");
  const events = Map.groupBy(wholeEvents(input.events), ({ job_id }) => Number(job_id));
  const broken = input.jobs.filter((row) => !isWholeJob(row)).map(({ id }) => Number(id));
  const ids = new Set([
    ...jobs.keys(),
    ...events.keys(),
    ...input.remains.keys(),
    ...input.unreadable,
    ...broken,
  ]);
  const items = new Map<number, RebuildItem>();
  for (const id of [...ids].filter((id) => id > 0).sort((a, b) => a - b)) {
    const of = new JobTraces(id, input, jobs.get(id), allocations.get(id), events.get(id) ?? []);
    items.set(id, withoutLostBefore(of.item(), items));
  }
  return [...items.values()];
}

/** What is left of one job. */
class JobTraces {
  constructor(
    private readonly id: number,
    private readonly input: RebuildInput,
    private readonly row: Columns | undefined,
    private readonly allocation: Columns | undefined,
    private readonly events: readonly Columns[],
  ) {}

  item(): RebuildItem {
    const { row, allocation } = this;
    if (row && ENDED.includes(row.state)) {
      return { ...this.#is("kept", row.state), job: row, allocation };
    }
    const end = this.events.findLast((event) => ENDED.includes(event.state));
    if (end) return this.#endedBy(end);
    const last = this.events.at(-1)?.state as State | undefined;
    const { claimed, exitAtMs, processes = [], unreadable } = this.#remains ?? {};
    const isLater = row && claimed && claimed.number > row.attempts;
    if (row && row.state !== "QUEUED" && allocation && !isLater) {
      return { ...this.#is("kept", row.state), job: row, allocation };
    }
    if (claimed) return this.#started("a shim has claimed it");
    if (exitAtMs !== undefined) return this.#started("it left an exit record");
    if (processes.length > 0) return this.#started(`pid ${processes[0]!.pid} belongs to it`);
    if (unreadable !== undefined) return this.#started(`its files cannot be read: ${unreadable}`);
    if (row?.state === "QUEUED") return { ...this.#is("kept", "QUEUED"), job: row };
    if (row) return this.#started(`it was ${row.state}, and its allocation cannot be read`);
    if (last === "STARTING" || last === "RUNNING") return this.#started(`it was ${last}`);
    return this.#is("lost", `${ROW_LOST}${this.#lostHint(last)}`);
  }

  get #remains(): Remains | undefined {
    return this.input.remains.get(this.id);
  }

  #is(fate: RebuildFate, why: string): RebuildItem {
    return { id: this.id, fate, why };
  }

  #lostHint(last: State | undefined): string {
    if (last === "QUEUED") return "; it was queued and never ran";
    if (this.#remains?.hasDirectory) {
      return "; no shim has claimed it, so it never ran or was pruned";
    }
    return "; if it was queued, it is lost";
  }

  #endedBy(event: Columns): RebuildItem {
    const { state, reason, at } = event;
    const job = {
      ...(this.row ?? this.#placeholder()),
      state,
      stopping: null,
      stopping_boot_ms: null,
      reason,
      message: this.row ? event.message : joined(event.message, ROW_LOST),
      exit_code: this.#eventAt("STARTING") === undefined ? null : exitCode(state, reason),
      started_at: this.row?.started_at ?? this.#eventAt("RUNNING"),
      ended_at: at,
    };
    const allocation = this.allocation && { ...this.allocation, released: 1, released_time: at };
    return { ...this.#is("ended", `its events say ${state} ${reason}`), job, allocation };
  }

  /** STARTING, of the attempt that was claimed: so a start adopts it, or ends it by what it finds. */
  #started(why: string): RebuildItem {
    const { claimed, isAlive = false } = this.#remains ?? {};
    const { ground, nodeName } = this.input;
    const { bootId, pidNamespace } = isAlive ? ground : UNKNOWN_GROUND;
    const job: Columns = {
      ...(this.row ?? this.#placeholder()),
      state: "STARTING",
      attempts: claimed?.number ?? Math.max(1, this.row?.attempts ?? 1),
    };
    const spec = JSON.parse(job.spec);
    const allocation = {
      job_id: this.id,
      allocated_cpus: spec.cpus,
      allocated_memory: spec.memory,
      node_name: nodeName,
      boot_id: bootId,
      pid_namespace: pidNamespace,
      token: claimed?.token ?? lostToken(this.id),
      released: 0,
    };
    const where = !isAlive
      ? "no process of it is known to be alive"
      : this.row
      ? "it runs"
      : "it runs, without a timeout: what was asked for is lost";
    return { ...this.#is("started", `${why}; ${where}`), job, allocation };
  }

  #placeholder(): Columns {
    const { leader, claimed } = this.#remains ?? {};
    const lost = {
      command: ["(lost with the journal)"],
      name: "lost with the journal",
      cpus: this.allocation?.allocated_cpus,
      memory: this.allocation?.allocated_memory,
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
      submitted_at: this.#eventAt("QUEUED") ?? claimed?.atMs ?? this.input.atMs,
    };
  }

  #eventAt(state: State): number | undefined {
    return this.events.find((event) => event.state === state)?.at;
  }
}

/** A queued job that was to follow one that is lost, or has not completed, can never start. */
function withoutLostBefore(
  item: RebuildItem,
  before: ReadonlyMap<number, RebuildItem>,
): RebuildItem {
  const { job } = item;
  if (job?.state !== "QUEUED") return item;
  const after: number[] = JSON.parse(job.spec).after ?? [];
  const failed = after.map((id) => before.get(id)).find((other) =>
    other && (other.fate === "lost" || ["FAILED", "CANCELLED"].includes(other.job?.state))
  );
  if (!failed) return item;
  const message = `job ${failed.id}, which it was to follow, ` +
    (failed.fate === "lost" ? "was lost with the journal" : "did not complete");
  const ended = { state: "CANCELLED", reason: "dependency", message, ended_at: job.submitted_at };
  return { id: item.id, fate: "cancelled", why: message, job: { ...job, ...ended } };
}

type Kind = "number" | "string";
type Shape = Readonly<Record<string, Kind>>;

/** Columns that must hold something; every other holds a number, a string or nothing. */
const JOB: Shape = {
  id: "number",
  uid: "number",
  spec: "string",
  state: "string",
  attempts: "number",
  adopted: "number",
  submitted_at: "number",
};
const JOB_MAY: Shape = {
  key: "string",
  name: "string",
  stopping: "string",
  stopping_boot_ms: "number",
  reason: "string",
  message: "string",
  exit_code: "string",
  user_time_ms: "number",
  system_time_ms: "number",
  max_memory: "number",
  started_at: "number",
  ended_at: "number",
};
const ALLOCATION: Shape = {
  job_id: "number",
  allocated_cpus: "number",
  allocated_memory: "number",
  node_name: "string",
  boot_id: "string",
  pid_namespace: "string",
  token: "string",
  released: "number",
};
const EVENT: Shape = { sequence: "number", at: "number", job_id: "number", state: "string" };

/** Events that can be what the journal once wrote. */
export function wholeEvents(events: readonly Columns[]): Columns[] {
  return events.filter((event) => isWhole(event, EVENT));
}

function isWhole(row: Columns, must: Shape, may: Shape = {}): boolean {
  return Object.entries(must).every(([name, kind]) => typeof row[name] === kind) &&
    Object.entries(may).every(([name, kind]) => row[name] === null || typeof row[name] === kind);
}

/** Whether a row can be what the journal once wrote. */
function isWholeJob(row: Columns): boolean {
  const isEnded = ENDED.includes(row.state);
  if (!isWhole(row, JOB, JOB_MAY) || !(isEnded || LIVE.includes(row.state))) return false;
  try {
    return isEnded === (row.ended_at !== null) && !isInvalid(readSpec(JSON.parse(row.spec)));
  } catch {
    return false;
  }
}

function byId(rows: readonly Columns[], key: string): Map<number, Columns> {
  return new Map(rows.map((row) => [Number(row[key]), row]));
}

/** What a living leader tells of what was asked for. */
function specOf({ command, directory, environment }: JobProcess): Partial<Spec> {
  const isOwn = ([name]: [string, string]) =>
    /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !/^HOLDFAST_(JOB_ID|TOKEN|SHIM)$/.test(name);
  const own = Object.fromEntries(Object.entries(environment).filter(isOwn));
  return { command: [...command], directory, environment: own };
}

/** As far as an event tells it. */
function exitCode(state: State, reason: Reason): string | null {
  if (state === "COMPLETED") return "0:0";
  return reason === "dependency" || reason === "startFailed" ? null : "-999:0";
}

function joined(...texts: (string | null | undefined)[]): string {
  return texts.filter(Boolean).join("; ");
}
