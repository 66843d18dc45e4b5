/** A job as a person reads it. Pure. */

import { limitText } from "../limit_text.ts";
import { sizeText } from "../units.ts";
import { nameOf } from "../job/job_array.ts";
import { signalName } from "../job/signals.ts";
import type { Job, Limits, Spec, State, Usage } from "../varlink/interface.ts";
import { layOutFacts, printable } from "./table.ts";

const GREEN = 32, YELLOW = 33, RED = 31, CYAN = 36;

const COLOURS: Record<State, number> = {
  QUEUED: CYAN,
  STARTING: YELLOW,
  RUNNING: YELLOW,
  COMPLETED: GREEN,
  FAILED: RED,
  CANCELLED: RED,
};

export function paintState(text: string): string {
  const colour = COLOURS[text.trim().split(" ")[0] as State];
  return colour === undefined ? text : `\x1b[${colour}m${text}\x1b[0m`;
}

export function stateText(job: Job): string {
  if (job.state === "QUEUED" && job.held) return "QUEUED (held)";
  return job.stopping ? `${job.state} (${job.stopping})` : job.state;
}

/** By which a person finds the job: of one in an array the array and the index. */
export function idText({ id, array }: Job): string {
  return nameOf(id, array);
}

export function commandText(command: readonly string[]): string {
  return printable(command.map(quote).join(" "));
}

/** Ascending numbers as `0-2,5`. */
export function rangesText(numbers: readonly number[]): string {
  const firsts = numbers.filter((number, at) => number !== numbers[at - 1]! + 1);
  const lasts = numbers.filter((number, at) => number + 1 !== numbers[at + 1]);
  return firsts.map((first, at) => first === lasts[at] ? `${first}` : `${first}-${lasts[at]}`)
    .join(",");
}

/** How long it has run, or ran; empty before the start. */
export function elapsedText(
  job: Pick<Job, "startedAt" | "endedAt" | "elapsedMs">,
  nowMs: number,
): string {
  if (job.elapsedMs !== undefined) return durationText(job.elapsedMs);
  if (!job.startedAt) return "";
  const end = job.endedAt ? Date.parse(job.endedAt) : nowMs;
  return durationText(Math.max(0, end - Date.parse(job.startedAt)));
}

export function durationText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? `${hours}h${String(minutes % 60).padStart(2, "0")}m`
    : `${Math.floor(hours / 24)}d`;
}

export type Fact = readonly [name: string, text: string | undefined];

/** Lines of `status`: what is known, one fact a line. */
export function describeJob(job: Job, nowMs: number, width?: number): string[] {
  const { spec, array, state } = job;
  const isQueued = state === "QUEUED";
  return layOutFacts([
    ["Job", array ? `${idText(job)} (id ${job.id})` : String(job.id)],
    ["Name", spec.name],
    ["State", stateText(job)],
    ["Waits for", isQueued ? job.waiting : undefined],
    ["Starts", isQueued ? startText(job) : undefined],
    ["Held", isQueued && job.held ? `until holdfast release ${idText(job)}` : undefined],
    ["Reason", job.reason],
    ["Message", job.message],
    ["Exit code", job.exitCode && exitText(job.exitCode)],
    ["Array", array && `${array.id}, ${array.size} jobs, indexes ${spec.array}`],
    ...specFacts(spec),
    ["Pinned", pinText(job)],
    ["Logs", lostText(job)],
    ["Pid", job.pid === undefined ? undefined : String(job.pid)],
    ["Adopted", job.adopted ? "yes, after its supervisor had ended" : undefined],
    ["Submitted", `${job.submittedAt} by uid ${job.uid}`],
    ["Started", job.startedAt],
    ["Ended", job.endedAt],
    ["Elapsed", elapsedText(job, nowMs)],
    ...usageFacts(job.usage),
    ["Released", job.endedAt ? (job.released ? "yes" : "no") : undefined],
  ], width);
}

function limitsText(limits: Limits): string {
  const texts = Object.entries(limits).map(([name, value]) => {
    const text = name.endsWith("Size") ? sizeText(Number(value)) : String(value);
    return `${limitText(name)} ${text}`;
  });
  return texts.join(", ");
}

/** `exclusive, CPUs 0-2,5`; undefined for a job that may run anywhere. */
function pinText({ spec: { pin }, cpuSet }: Job): string | undefined {
  if (!pin) return undefined;
  return cpuSet ? `${pin}, CPUs ${rangesText(cpuSet)}` : pin;
}

function lostText({ lostLogs }: Job): string | undefined {
  return lostLogs && `lost: ${lostLogs.join(" and ")} (removed, renamed or replaced)`;
}

/** What was asked for. */
export function specFacts(spec: Spec): Fact[] {
  return [
    ["Command", commandText(spec.command)],
    ["Directory", spec.directory],
    ["CPUs", String(spec.cpus)],
    ["Memory", spec.memory ? sizeText(spec.memory) : undefined],
    ["Limits", spec.limits && limitsText(spec.limits)],
    ["Timeout", spec.timeout ? durationText(spec.timeout * 1000) : "none"],
    ["Priority", spec.priority ? String(spec.priority) : undefined],
    ["After", spec.after?.length ? rangesText(spec.after) : undefined],
    ["Not before", spec.notBefore],
    ["Pool", spec.pool],
    ["Key", spec.key],
  ];
}

export function startText({ expectedStart }: Job): string | undefined {
  return expectedStart && `by ${expectedStart} at the latest, if jobs run as long as they may`;
}

export function usageFacts(usage: Usage | undefined): Fact[] {
  if (!usage) return [];
  const { userTimeMs, systemTimeMs, maxMemory, readBytes, writtenBytes } = usage;
  const [user, system] = [userTimeMs, systemTimeMs].map(durationText);
  return [
    ["CPU time", `${durationText(userTimeMs + systemTimeMs)} (${user} user, ${system} system)`],
    ["Peak memory", knownSize(maxMemory)],
    ["Read", knownSize(readBytes)],
    ["Written", knownSize(writtenBytes)],
  ];
}

function knownSize(bytes: number | undefined): string | undefined {
  return bytes === undefined ? undefined : sizeText(bytes);
}

/** Cells of `list --usage`: user and system time, memory at most, bytes read and written. */
export function usageCells(usage: Usage | undefined): string[] {
  const { userTimeMs, systemTimeMs, maxMemory, readBytes, writtenBytes } = usage ?? {};
  const times = [userTimeMs, systemTimeMs].map((ms) => ms === undefined ? "" : durationText(ms));
  return [...times, ...[maxMemory, readBytes, writtenBytes].map((size) => knownSize(size) ?? "")];
}

export function exitText(exitCode: string): string {
  if (exitCode.startsWith("-999")) return `${exitCode} (unknown)`;
  const signal = Number(exitCode.split(":")[1]);
  return signal ? `${exitCode} (killed by ${signalText(signal)})` : exitCode;
}

function signalText(signal: number): string {
  const name = signalName(signal);
  return name === undefined ? `signal ${signal}` : `signal ${signal}, ${name}`;
}

/** The exit code of a process that ends as the job did; undefined when nobody knows how. */
export function exitCodeOf(job: Job): number | undefined {
  const [code, signal] = (job.exitCode ?? "-999:0").split(":").map(Number) as [number, number];
  if (code === -999) return undefined;
  if (signal > 0) return 128 + signal;
  // A job that was stopped may have exited 0 on SIGTERM; it has not done what was asked.
  return code === 0 && job.state !== "COMPLETED" ? undefined : code;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
