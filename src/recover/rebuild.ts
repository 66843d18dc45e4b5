/**
 * Rebuilds a journal: reads what the old one still tells, has it decided what becomes of each job,
 * and puts a new journal in its place. The caller holds the lock.
 */

import type { Ground } from "../job/identity.ts";
import type { Files, JobProcess } from "../ports.ts";
import { JournalRefused, openDatabase } from "../store/database.ts";
import { inspect, type OtherTraces, type Trouble } from "../store/inspect.ts";
import { NOTHING_SALVAGED, type Salvage, salvage } from "../store/salvage.ts";
import { publish, Scratch, unpublish, writeJournal } from "../store/rebuilt.ts";
import { planRebuild, type RebuildItem, wholeEvents } from "./plan_rebuild.ts";
import { highest, UNSEEN_IDS } from "./plan_remains.ts";
import { gatherRemains } from "./remains.ts";

export interface RebuildParts {
  readonly state: string;
  readonly files: Files;
  /** Every process of a job of this state directory. */
  readonly processes: readonly JobProcess[];
  readonly ground: Ground;
  readonly nodeName: string;
  readonly uid: number;
  readonly atMs: number;
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

/**
 * Throws JournalRefused for a journal of a newer version. `isWanted`: whether to put the new journal
 * in the place of the old, by what it would be.
 */
export function rebuild(
  parts: RebuildParts,
  traces: OtherTraces,
  isWanted: (found: Rebuild) => boolean,
): Rebuild {
  const journal = `${parts.state}/journal.db`;
  unpublish(journal);
  using scratch = new Scratch(parts.state);
  const trouble = troubleOf(journal, scratch, traces);
  const copy = scratch.copyOf(journal, "read.db");
  const read = copy === undefined ? NOTHING_SALVAGED : salvage(copy);
  const items = planOf(parts, read);
  const isLastKnown = trouble?.kind !== "older" && (read.lastId !== undefined || !trouble);
  const lastSeen = Math.max(read.lastId ?? 0, highest(items.map(({ id }) => id)));
  const lastId = isLastKnown ? lastSeen : lastSeen + UNSEEN_IDS;
  const losses = isLastKnown ? read.losses : [
    ...read.losses,
    `which jobs above ${lastSeen} there were: any that were queued are lost`,
  ];
  const found = { trouble: trouble?.what, items, losses, lastId };
  if (!isWanted(found)) return found;
  const written = `${scratch.path}/journal.db`;
  writeJournal(written, { ...content(items, read, parts.atMs), lastId });
  const stamp = new Date(parts.atMs).toISOString().replace(/[-:]/g, "");
  return { ...found, kept: publish(written, journal, stamp) };
}

function planOf(parts: RebuildParts, read: Salvage): RebuildItem[] {
  const { files, processes, ground, nodeName, uid, atMs } = parts;
  const remains = gatherRemains(files, processes);
  return planRebuild({ ...read, remains, ground, nodeName, uid, atMs });
}

function content(items: readonly RebuildItem[], read: Salvage, atMs: number) {
  const present = <T>(rows: readonly (T | undefined)[]) => rows.filter((row) => row !== undefined);
  const events = wholeEvents(read.events);
  const told = items.filter(({ job, fate }) => job && fate !== "kept").map(({ id, job, why }) => ({
    at: atMs,
    job_id: id,
    state: job!.state,
    reason: job!.reason ?? null,
    message: `journal rebuilt: ${why}`,
  }));
  const last = Math.max(
    read.lastSequence ?? 0,
    highest(events.map(({ sequence }) => sequence)),
  );
  return {
    jobs: present(items.map(({ job }) => job)),
    allocations: present(items.map(({ allocation }) => allocation)),
    events: [...events, ...told.map((event, i) => ({ sequence: last + i + 1, ...event }))],
    settings: read.settings,
    pools: read.pools,
    lastSequence: last + told.length,
  };
}

/** Tries a copy, since even a look at a journal can change it. */
function troubleOf(journal: string, scratch: Scratch, traces: OtherTraces): Trouble | undefined {
  const seen = inspect(journal, traces);
  if (seen?.kind === "newer") {
    throw new JournalRefused(journal, seen.what, "it is not damaged: start the newer holdfast");
  }
  if (seen) return seen;
  const copy = scratch.copyOf(journal, "tried.db");
  if (copy === undefined) return undefined;
  try {
    openDatabase(copy, traces).close();
    return undefined;
  } catch (error) {
    if (error instanceof JournalRefused) return { what: error.what, kind: "damaged" };
    throw error;
  }
}
