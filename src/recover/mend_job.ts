/**
 * What of the damaged row of a job can be kept, by its other columns, its spec and its events, which
 * say much of it twice. A state is never made up that would let a job start which may have run.
 */

import { formatExit, isSuccess, parseExit, UNKNOWN_EXIT } from "../job/exit_status.ts";
import { END_STATES, type EndState, type Reason, type State } from "../job/job.ts";
import { parseArray } from "../job/job_array.ts";
import { type FullSpec, isInvalid, readSpec } from "../job/spec.ts";
import { type Columns, Draft, type Mended } from "./mend.ts";
import type { Remains } from "./plan_remains.ts";

export interface MendedJob extends Mended {
  readonly spec: FullSpec;
  /** Why it cannot be taken at its word about its state. */
  readonly doubt?: string;
}

/** What else there is about a job. */
export interface Beside {
  /** Its own, mended, in their order. */
  readonly events: readonly Columns[];
  readonly remains?: Remains;
  /** Whom jobs belong to whose owner is lost. */
  readonly uid: number;
  readonly atMs: number;
}

/** Undefined where the row does not tell what was asked for. */
export function mendJob(columns: Columns, beside: Beside): MendedJob | undefined {
  const draft = new Draft("jobs", columns);
  const { row } = draft;
  const spec = row.spec === undefined ? undefined : readSpec(JSON.parse(row.spec));
  if (row.id === undefined || !spec || isInvalid(spec)) return undefined;
  if (!isWritten(JSON.parse(row.spec), spec)) draft.put({ spec: JSON.stringify(spec) });
  const misplaced = mendPlace(draft, spec);
  const isFirst = row.array_id === null || row.array_id === row.id;
  draft.put({ name: spec.name ?? null, key: (isFirst ? spec.key : null) ?? null });
  if (row.uid === undefined) draft.put({ uid: beside.uid });
  mendSubmission(draft, beside);
  const doubt = mendState(draft, beside.events) ??
    (row.state === "QUEUED" ? misplaced : undefined);
  if (row.state === "RUNNING" && row.started_at === null) {
    draft.put({ started_at: eventAt("RUNNING", beside.events) ?? row.submitted_at });
  }
  mendAttempts(draft, beside);
  mendStopping(draft, beside.events);
  if (draft.isDamaged("held")) draft.put({ held: row.state === "QUEUED" ? 1 : 0 });
  if (isEnd(row.state)) mendEnd(draft, beside.events);
  if (isLive(row.state)) {
    draft.put({ reason: null, message: null, exit_code: null, core_dumped: 0 });
  }
  if ((row.user_time_ms === null) !== (row.system_time_ms === null)) {
    draft.put({ user_time_ms: null, system_time_ms: null });
  }
  return { row, damaged: draft.damaged, spec, doubt };
}

export function isEnd(state: State | undefined): state is EndState {
  return END_STATES.some((end) => end === state);
}

export function isLive(state: State | undefined): boolean {
  return state !== undefined && !isEnd(state);
}

export function isStarted(state: State | undefined): boolean {
  return state === "STARTING" || state === "RUNNING";
}

/** As far as the state and the reason tell it, and whether it was ever started. Null where nothing ran. */
export function exitOf(state: EndState, reason: Reason, isStarted: boolean): string | null {
  if (state === "COMPLETED") return "0:0";
  const hasRun = isStarted && !NEVER_RAN.includes(reason) || ALWAYS_RAN.includes(reason);
  return hasRun ? formatExit(UNKNOWN_EXIT) : null;
}

const NEVER_RAN: readonly Reason[] = ["dependency", "startFailed"];
const ALWAYS_RAN: readonly Reason[] = ["exit", "signal", "interrupted", "reboot", "outOfMemory"];

/** As far as the state and the exit code tell it. */
export function reasonOf(state: EndState, exitCode: string | null): Reason {
  if (state === "COMPLETED") return "exit";
  if (state === "CANCELLED") return "cancelled";
  if (exitCode === null || exitCode === formatExit(UNKNOWN_EXIT)) return "interrupted";
  return parseExit(exitCode).signal > 0 ? "signal" : "exit";
}

/** Whether a spec stands there as it is read, but for the order of its fields. */
function isWritten(json: Record<string, unknown>, spec: FullSpec): boolean {
  const names = new Set([...Object.keys(json), ...Object.keys(spec)]);
  const text = (value: unknown) => JSON.stringify(value);
  return [...names].every((name) => text(json[name]) === text(spec[name as keyof FullSpec]));
}

/**
 * The jobs of an array have ids one after the other, in the order of its indexes: of id, index and
 * size each follows from another. Returns why it has no place where it should have one.
 */
function mendPlace(draft: Draft, spec: FullSpec): string | undefined {
  const { id, array_id, array_index } = draft.row;
  const indexes = indexesOf(spec) ?? [];
  const byId = array_id === null ? -1 : id - array_id;
  const byIndex = indexes.indexOf(array_index);
  const places = new Set([byId, byIndex].filter((at) => indexes[at] !== undefined));
  const [at] = places;
  if (at === undefined || places.size > 1) {
    draft.put({ array_id: null, array_index: null, array_size: null });
    return indexes.length === 0 ? undefined : "its place in its array cannot be read";
  }
  draft.put({ array_id: id - at, array_index: indexes[at], array_size: indexes.length });
  return undefined;
}

function mendSubmission(draft: Draft, { events, remains, atMs }: Beside): void {
  const { submitted_at, started_at, ended_at } = draft.row;
  if (submitted_at !== undefined) return;
  const known = eventAt("QUEUED", events) ?? remains?.claimed?.atMs ?? started_at ?? ended_at;
  draft.put({ submitted_at: known ?? atMs });
}

/** When it first was so. */
export function eventAt(state: State, events: readonly Columns[]): number | undefined {
  return events.find((event) => event.state === state)?.at;
}

/** Returns why it cannot be trusted. */
function mendState(draft: Draft, events: readonly Columns[]): string | undefined {
  const { row } = draft;
  const isToldOtherwise = row.state === "QUEUED" && isStarted(events.at(-1)?.state);
  if (row.state === undefined || isToldOtherwise) {
    const state = stateOf(row, events);
    if (state === undefined) return "its state cannot be read";
    draft.put({ state });
  }
  const { state, started_at, submitted_at, ended_at, reason } = row;
  if (!isEnd(state)) return ended_at === null ? undefined : `its row says ${state}, and an end`;
  if (ended_at !== null) return undefined;
  const told = endIn(events, state)?.at ??
    (reason === null ? undefined : started_at ?? submitted_at);
  if (told === undefined) return `its row says ${state}, and not when`;
  draft.put({ ended_at: told });
  return undefined;
}

/** Of a row that does not say it itself, or not what its events say. */
function stateOf({ ended_at, reason, exit_code }: Columns, events: readonly Columns[]) {
  const end = events.findLast(({ state }) => isEnd(state));
  if (ended_at === null) {
    const last: State | undefined = events.at(-1)?.state;
    return end === undefined && isStarted(last) ? last : undefined;
  }
  if (end) return end.state;
  if (reason === null) return undefined;
  if (reason === "cancelled" || reason === "dependency") return "CANCELLED";
  const isGood = reason === "exit" && exit_code !== null && isSuccess(parseExit(exit_code));
  return isGood ? "COMPLETED" : "FAILED";
}

function endIn(events: readonly Columns[], state: State): Columns | undefined {
  return events.findLast((event) => event.state === state);
}

/**
 * The number of an attempt names its claim, so it must not be too high: what is forbidden then is not
 * what may run. Each attempt was told by an event; one that was told and is lost does no harm.
 */
function mendAttempts(draft: Draft, { events, remains }: Beside): void {
  const { row } = draft;
  const told = events.filter(({ state }) => state === "STARTING").length;
  const known = remains?.claimed?.number ?? (isStarted(row.state) ? Math.max(1, told) : told);
  const isTold = row.state === "STARTING" ? told > 0 : row.state === "QUEUED" && events.length > 0;
  const isTooHigh = isTold && row.attempts > known;
  const isNone = isStarted(row.state) && row.attempts === 0;
  if (draft.isDamaged("attempts") || isTooHigh || isNone) draft.put({ attempts: known });
}

/** A stop whose time is lost began long ago. */
function mendStopping(draft: Draft, events: readonly Columns[]): void {
  const { row } = draft;
  if (!isStarted(row.state)) return draft.put({ stopping: null });
  const told = () => events.findLast(({ stopping }) => stopping !== null)?.stopping ?? null;
  const stopping = row.stopping ?? (row.stopping_boot_ms === null ? null : told());
  const stopping_boot_ms = stopping === null ? null : row.stopping_boot_ms ?? 0;
  draft.put({ stopping, stopping_boot_ms });
}

function mendEnd(draft: Draft, events: readonly Columns[]): void {
  const { row } = draft;
  const told = endIn(events, row.state);
  if (draft.isDamaged("message")) draft.put({ message: told?.message ?? null });
  if (row.reason === null) {
    draft.put({ reason: told?.reason ?? reasonOf(row.state, row.exit_code) });
  }
  const { state, exit_code, reason, started_at } = row;
  const wanted = exitOf(state, reason, started_at !== null);
  const isWrong = state === "COMPLETED" && exit_code !== wanted;
  const isMissing = exit_code === null && ALWAYS_RAN.includes(reason);
  if (isWrong || isMissing || draft.isDamaged("exit_code")) {
    draft.put({ exit_code: wanted, core_dumped: 0 });
  }
}

let lastArray: { readonly text: string; readonly indexes: readonly number[] } | undefined;

/** Undefined for a single job. The jobs of an array come one after the other, and all have its text. */
function indexesOf({ array: text }: FullSpec): readonly number[] | undefined {
  if (text === undefined) return undefined;
  if (lastArray?.text !== text) {
    const array = parseArray(text);
    lastArray = { text, indexes: typeof array === "string" ? [] : array.indexes };
  }
  return lastArray.indexes;
}
