/** A job array as a person reads it: an id, counts, what its jobs come to together. Pure. */

import type { Job, Usage } from "../varlink/interface.ts";
import {
  elapsedText,
  type Fact,
  idText,
  rangesText,
  specFacts,
  startText,
  stateText,
  usageFacts,
} from "./job_text.ts";
import { layOutFacts } from "./table.ts";

/** `12[1-100]`; `job` is any of its jobs. */
export function arrayText({ array, spec }: Job): string {
  const [indexes] = (spec.array ?? "").split("%");
  return `${array!.id}[${indexes}]`;
}

const ORDER = ["RUNNING", "STARTING", "QUEUED", "COMPLETED", "FAILED", "CANCELLED"];

/** `7 RUNNING 90 QUEUED 3 COMPLETED` */
export function countsText(jobs: readonly Job[]): string {
  const counts = new Map<string, number>();
  for (const state of jobs.map(stateText)) counts.set(state, (counts.get(state) ?? 0) + 1);
  const place = (state: string) => ORDER.indexOf(state.split(" ")[0]!);
  return [...counts].sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b))
    .map(([state, count]) => `${count} ${state}`).join(" ");
}

export function indexesOf(jobs: readonly Job[]): string {
  return rangesText(jobs.map(({ array }) => array!.index));
}

/** What its jobs come to: from the first start to the last end, their usage added up. */
export function together(
  jobs: readonly Job[],
): Pick<Job, "startedAt" | "endedAt" | "elapsedMs" | "usage"> {
  // Times in UTC and of one format are in the order of their letters.
  const known = (times: (string | undefined)[]) =>
    times.filter((time) => time !== undefined).sort();
  const isOver = jobs.every(({ endedAt }) => endedAt);
  return {
    startedAt: known(jobs.map(({ startedAt }) => startedAt))[0],
    endedAt: isOver ? known(jobs.map(({ endedAt }) => endedAt)).at(-1) : undefined,
    elapsedMs: lasted(isOver ? jobs : jobs.filter(({ endedAt }) => !endedAt), jobs),
    usage: jobs.map(({ usage }) => usage).reduce(
      (sum, usage) => sum && usage ? added(sum, usage) : sum ?? usage,
      undefined,
    ),
  };
}

/** ms from the first start to the last of these ends, or till now; undefined where a clock must tell it. */
function lasted(ends: readonly Job[], jobs: readonly Job[]): number | undefined {
  const since = (job: Job) => Date.parse(job.startedAt!);
  const started = jobs.filter(({ startedAt }) => startedAt);
  const told = ends.filter(({ elapsedMs }) => elapsedMs !== undefined);
  if (told.length === 0 || started.some((job) => job.endedAt && job.elapsedMs === undefined)) {
    return undefined;
  }
  const firstMs = started.reduce((first, job) => Math.min(first, since(job)), Infinity);
  return told.reduce((last, job) => Math.max(last, since(job) + job.elapsedMs!), 0) - firstMs;
}

function added(a: Usage, b: Usage): Usage {
  return {
    userTimeMs: a.userTimeMs + b.userTimeMs,
    systemTimeMs: a.systemTimeMs + b.systemTimeMs,
    maxMemory: ifKnown(Math.max, a.maxMemory, b.maxMemory),
    readBytes: ifKnown((a, b) => a + b, a.readBytes, b.readBytes),
    writtenBytes: ifKnown((a, b) => a + b, a.writtenBytes, b.writtenBytes),
  };
}

function ifKnown(
  both: (a: number, b: number) => number,
  a: number | undefined,
  b: number | undefined,
): number | undefined {
  return a === undefined || b === undefined ? a ?? b : both(a, b);
}

/** Lines of `status` of a whole array; `jobs` are those of it that are kept. */
export function describeArray(jobs: readonly Job[], nowMs: number, width?: number): string[] {
  const [first] = jobs as [Job];
  const { spec, array } = first;
  const next = jobs.find(({ state }) => state === "QUEUED");
  const held = jobs.filter(({ state, held }) => state === "QUEUED" && held);
  const failed = jobs.filter(({ state }) => state === "FAILED");
  const all = together(jobs);
  const facts: Fact[] = [
    ["Array", `${array!.id}, ${array!.size} jobs, indexes ${spec.array}`],
    ["Name", spec.name],
    ["State", countsText(jobs)],
    ["Failed", failed.length > 0 ? `indexes ${indexesOf(failed)}` : undefined],
    ["Waits for", next?.waiting && `index ${next.array!.index}: ${next.waiting}`],
    ["Starts", next && startText(next)],
    ["Held", held.length > 0 ? `until holdfast release ${array!.id}` : undefined],
    ...specFacts(spec),
    ["Submitted", `${first.submittedAt} by uid ${first.uid}`],
    ["Started", all.startedAt],
    ["Ended", all.endedAt],
    ["Elapsed", elapsedText(all, nowMs)],
    ...usageFacts(all.usage),
    [
      "Jobs",
      `holdfast list --array ${array!.id}, holdfast status ${idText(first)}`,
    ],
  ];
  return layOutFacts(facts, width);
}
