/**
 * What becomes of each job when its journal is rebuilt: from the rows that could be read, and from
 * what runs/, exits/ and /proc tell. A value; it does nothing. A job that may have been executed
 * is never queued again.
 */

import { isId } from "../store/columns.ts";
import { JobTraces, type RebuildItem, type Surroundings } from "./job_traces.ts";
import type { Columns } from "./mend.ts";
import type { Remains } from "./plan_remains.ts";

export interface RebuildInput extends Surroundings {
  readonly jobs: readonly Columns[];
  readonly allocations: readonly Columns[];
  /** Mended, in their order. */
  readonly events: readonly Columns[];
  readonly remains: ReadonlyMap<number, Remains>;
  /** Ids at which there is something that cannot be read. */
  readonly unreadable: readonly number[];
  /** The highest id that was ever given, where that is known. */
  readonly lastId?: number;
}

/** In the order of ids. Ids without a trace are not in it. */
export function planRebuild(input: RebuildInput): RebuildItem[] {
  const events = Map.groupBy(input.events, ({ job_id }): number => job_id);
  const isOwn = (row: Columns, key: string) => isGiven(input, row[key], events);
  const jobs = byId(input.jobs.filter((row) => isOwn(row, "id")), "id");
  const allocations = byId(input.allocations.filter((row) => isOwn(row, "job_id")), "job_id");
  const ids = new Set([
    ...jobs.keys(),
    ...events.keys(),
    ...input.remains.keys(),
    ...input.unreadable,
  ]);
  const items = new Map<number, RebuildItem>();
  const keys = new Set<string>();
  for (const id of [...ids].filter(isId).sort((a, b) => a - b)) {
    const traces = new JobTraces(id, input, {
      columns: jobs.get(id),
      allocation: allocations.get(id),
      events: events.get(id) ?? [],
      remains: input.remains.get(id),
    });
    items.set(id, withOwnKey(withoutLostBefore(traces.item(), items), keys));
  }
  return [...items.values()];
}

/** For people: rows under an id that no job can have had. */
export function strayRows(input: RebuildInput): string[] {
  const events = Map.groupBy(input.events, ({ job_id }): number => job_id);
  const strays = (what: string, rows: readonly Columns[], key: string) =>
    rows.filter((row) => !isGiven(input, row[key], events))
      .map((row) => `whose ${what} it is that has the id ${row[key]}`);
  return [
    ...strays("job", input.jobs, "id"),
    ...strays("allocation", input.allocations, "job_id"),
  ];
}

/** Ids are given in their order, and every submission was told by an event. */
function isGiven(
  { lastId = Infinity }: RebuildInput,
  id: unknown,
  events: ReadonlyMap<number, unknown>,
): id is number {
  return isId(id) && (id <= lastId || events.has(id));
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
  const end = { ended_at: job.submitted_at, ended_ahead: job.submitted_ahead };
  const ended = { state: "CANCELLED", reason: "dependency", message, ...end };
  return { ...item, fate: "cancelled", why: message, job: { ...job, ...ended } };
}

/** Of two jobs with one key, as after damage to its index, the first has it. */
function withOwnKey(item: RebuildItem, keys: Set<string>): RebuildItem {
  const key: string | null = item.job?.key ?? null;
  if (key === null) return item;
  if (!keys.has(key)) {
    keys.add(key);
    return item;
  }
  const { key: _, ...spec } = JSON.parse(item.job!.spec);
  const job = { ...item.job, key: null, spec: JSON.stringify(spec) };
  return { ...item, job, damaged: [...item.damaged, "key"] };
}

function byId(rows: readonly Columns[], key: string): Map<number, Columns> {
  return new Map(rows.map((row) => [Number(row[key]), row]));
}
