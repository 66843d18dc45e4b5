/**
 * What a rebuild would make of a journal: reads a copy of the old one, looks at what else is there, and
 * says what becomes of each job. It changes nothing but the copy.
 */

import type { JobProcess, RunRecords } from "../ports.ts";
import { isId } from "../store/columns.ts";
import { JournalRefused } from "../store/database.ts";
import { inspect, type OtherTraces, sizeOf, type Trouble } from "../store/inspect.ts";
import { copyJournal, JournalCopy, journalFiles } from "../store/journal_copy.ts";
import type { Content } from "../store/rebuilt.ts";
import { NOTHING_SALVAGED, type Salvage, salvage } from "../store/salvage.ts";
import type { RebuildItem, Surroundings } from "./job_traces.ts";
import { type Columns, mendEvents, mendLargeChanges, mendPools, mendSettings } from "./mend.ts";
import { planRebuild, strayRows } from "./plan_rebuild.ts";
import { highest, UNSEEN_IDS } from "./plan_remains.ts";
import { gatherRemains } from "./remains.ts";

export interface RebuildParts extends Surroundings {
  readonly files: RunRecords;
  /** Every process of a job of this state directory. */
  readonly processes: readonly JobProcess[];
}

export interface OldJournal {
  readonly trouble?: Trouble;
  readonly read: Salvage;
}

export interface Rebuild {
  /** Why the old journal cannot be used; undefined for a sound one. */
  readonly trouble?: string;
  readonly items: readonly RebuildItem[];
  /** For people: what could not be read. */
  readonly losses: readonly string[];
  /** Ids up to this one will not be given to new jobs. */
  readonly lastId: number;
  /** Where the old journal is, once the new one is in its place. */
  readonly kept?: string;
}

export interface Foreseen {
  readonly found: Rebuild;
  /** Of the new journal. */
  readonly content: Content;
}

const NO_SENSE = "holds values that no holdfast has written";

/** `called`: the journal that it is the copy of. Throws JournalRefused for one of a newer version, NoRoom. */
export async function readOld(
  copy: string,
  traces: OtherTraces,
  called: string,
): Promise<OldJournal> {
  const trouble = inspect(copy, traces, called) ?? await troubleOf(copy, traces, called);
  if (trouble?.kind === "newer") {
    throw new JournalRefused(called, trouble.what, "it is not damaged: start the newer holdfast");
  }
  return { trouble, read: sizeOf(copy) ? salvage(copy) : NOTHING_SALVAGED };
}

/** Tries a copy of its own: what is opened to be used is migrated. */
async function troubleOf(
  copy: string,
  traces: OtherTraces,
  called: string,
): Promise<Trouble | undefined> {
  if (!sizeOf(copy)) return undefined;
  const tried = `${copy}.tried`;
  await copyJournal(journalFiles(copy), tried);
  const source = new JournalCopy(tried, traces, called);
  try {
    source.close(source.open());
    return undefined;
  } catch (error) {
    if (error instanceof JournalRefused) return { what: error.what, kind: "damaged" };
    throw error;
  }
}

export function foresee(parts: RebuildParts, { trouble, read }: OldJournal): Foreseen {
  const remains = gatherRemains(parts.files, parts.processes);
  const events = mendEvents(read.events);
  const settings = mendSettings(read.settings), pools = mendPools(read.pools);
  const largeChanges = mendLargeChanges(read.largeChanges);
  const input = { ...parts, ...read, events: events.rows, remains };
  const items = planRebuild(input);
  const damage = [
    ...read.losses,
    ...strayRows(input),
    ...items.filter(({ damaged }) => damaged.length > 0)
      .map(({ id, damaged }) => `${damaged.join(", ")} of job ${id}`),
    ...[events, settings, pools, largeChanges].flatMap(({ losses }) => losses),
  ];
  const lastSeen = Math.max(read.lastId ?? 0, highest(items.map(({ id }) => id)));
  const isLastKnown = trouble?.kind !== "older" && isHighest(read, events.rows) ||
    read === NOTHING_SALVAGED && trouble === undefined;
  const unseen = `which jobs above ${lastSeen} there were: any that were queued are lost`;
  const losses = isLastKnown ? damage : [...damage, unseen];
  const lastId = isLastKnown ? lastSeen : lastSeen + UNSEEN_IDS;
  const what = trouble?.what ?? (losses.length > 0 ? NO_SENSE : undefined);
  return {
    found: { trouble: what, items, losses, lastId },
    content: {
      ...contentOf(items, events.rows, read.lastSequence ?? 0, parts.atMs),
      settings: settings.rows,
      pools: pools.rows,
      largeChanges: largeChanges.rows,
      lastId,
    },
  };
}

/** Whether no higher id was given; the runs of an older journal may have one all the same. */
function isHighest({ lastId, jobs }: Salvage, events: readonly Columns[]): boolean {
  const told = [...jobs.map(({ id }) => id), ...events.map(({ job_id }) => job_id)];
  return lastId !== undefined && highest(told.filter(isId)) <= lastId;
}

function contentOf(
  items: readonly RebuildItem[],
  events: Content["events"],
  lastKnown: number,
  atMs: number,
) {
  const present = <T>(rows: readonly (T | undefined)[]) => rows.filter((row) => row !== undefined);
  const told = items.filter(({ job, fate }) => job && fate !== "kept").map(({ id, job, why }) => ({
    at: atMs,
    job_id: id,
    state: job!.state,
    reason: job!.reason ?? null,
    message: `journal rebuilt: ${why}`,
  }));
  const last = Math.max(lastKnown, highest(events.map(({ sequence }) => sequence)));
  return {
    jobs: present(items.map(({ job }) => job)),
    allocations: present(items.map(({ allocation }) => allocation)),
    events: [...events, ...told.map((event, i) => ({ sequence: last + i + 1, ...event }))],
    lastSequence: last + told.length,
  };
}
