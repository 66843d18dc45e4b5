/** The composition of `holdfast rebuild`: a new journal out of a damaged one, runs/ and exits/. */

import { places, refuseForeignState } from "./directories.ts";
import { jobProcesses } from "./host/carriers.ts";
import { hostClock } from "./host/clock.ts";
import { takeLock } from "./host/lock.ts";
import { readGround } from "./host/proc.ts";
import { RunFiles } from "./host/run_files.ts";
import { tracesOf } from "./recover/older_journal.ts";
import type { RebuildItem } from "./recover/plan_rebuild.ts";
import { type Rebuild, rebuild } from "./recover/rebuild.ts";
import { type Flags, readConfig } from "./settings.ts";

export interface RebuildOptions {
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** Throws Locked, JournalRefused, Error. */
export function rebuildJournal(
  flags: Flags,
  { dryRun, force }: RebuildOptions,
): Rebuild {
  const config = readConfig(flags);
  const { state } = places(config);
  refuseForeignState(state);
  takeLock(`${state}/lock`);
  const files = new RunFiles(state);
  const nodeName = config.node_name ?? Deno.hostname();
  const who = { nodeName, uid: Deno.uid() ?? 0, ground: readGround(), atMs: hostClock.wallMs() };
  const isWanted = ({ trouble }: Rebuild) => !dryRun && (trouble !== undefined || force);
  return rebuild(
    { state, files, processes: jobProcesses(state), ...who },
    tracesOf(files),
    isWanted,
  );
}

/** What a person reads. */
export function describeRebuild(found: Rebuild, { dryRun, force }: RebuildOptions): string[] {
  const { trouble, items, losses, lastId, kept } = found;
  const changed = items.filter(({ fate }) => fate !== "kept");
  if (trouble === undefined && !force) {
    if (changed.length === 0) return ["the journal is sound; nothing was done"];
    const more = "the journal is sound, and older than runs/ and exits/; nothing was done. " +
      "With --force these would change:";
    return [more, ...lines(changed)];
  }
  const would = dryRun ? "would be " : "";
  return [
    trouble === undefined ? "the journal is sound" : `the journal ${trouble}`,
    ...losses.map((loss) => `cannot be read: ${loss}`),
    ...lines(changed),
    `jobs ${would}kept: ${count(items, "kept")}; found by their runs: ${
      count(items, "started")
    }; ` +
    `ended by their events: ${count(items, "ended")}; cancelled: ${count(items, "cancelled")}; ` +
    `lost: ${count(items, "lost")}`,
    `new jobs ${dryRun ? "would " : ""}have ids above ${lastId}`,
    ...(kept === undefined ? [] : [`the old journal is kept: ${kept}`]),
    dryRun ? "nothing was changed" : "the journal is rebuilt; holdfast daemon takes it from here",
  ];
}

/** One for each job; those in a row of which the same is said share one. */
function lines(items: readonly RebuildItem[]): string[] {
  const told: string[] = [];
  for (let at = 0, next; at < items.length; at = next) {
    const { id, fate, why } = items[at]!;
    next = at + 1;
    while (items[next]?.id === id + next - at && isSame(items[next]!, items[at]!)) next++;
    const ids = next - at > 1 ? `${id}-${id + next - at - 1}` : String(id);
    told.push(`${ids}  ${fate}: ${why}`);
  }
  return told;
}

function isSame(a: RebuildItem, b: RebuildItem): boolean {
  return a.fate === b.fate && a.why === b.why;
}

function count(items: readonly RebuildItem[], fate: RebuildItem["fate"]): number {
  return items.filter((item) => item.fate === fate).length;
}
