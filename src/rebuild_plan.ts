/** The composition of `holdfast rebuild --dry-run`: what a rebuild would make of a journal. */

import type { Config } from "./config.ts";
import { jobProcesses } from "./host/carriers.ts";
import { hostClock } from "./host/clock.ts";
import { readGround } from "./host/proc.ts";
import { look } from "./looking.ts";
import type { RunRecords } from "./ports.ts";
import { foresee, readOld, type Rebuild, type RebuildParts } from "./recover/foresee.ts";
import type { RebuildItem } from "./recover/job_traces.ts";
import type { Flags } from "./settings.ts";
import { filesBeforePublish } from "./store/journal_copy.ts";

export interface RebuildOptions {
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** Throws Locked, JournalRefused, ConfigError, NoTemporary. */
export async function rebuildPlan(flags: Flags): Promise<Rebuild> {
  return await look(flags, {
    filesOf: filesBeforePublish,
    read: ({ copy, called }, { traces }) => readOld(copy, traces, called),
    judge: (old, { config, state, files }) => foresee(partsOf(config, state, files), old).found,
  });
}

/** What a rebuild goes by, beside the journal. */
export function partsOf(config: Config, state: string, files: RunRecords): RebuildParts {
  return {
    files,
    processes: jobProcesses(state),
    ground: readGround(),
    nodeName: config.node_name ?? Deno.hostname(),
    uid: Deno.uid() ?? 0,
    atMs: hostClock.wallMs(),
  };
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
