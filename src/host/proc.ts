/** Reads /proc: who a process is, where pids mean something, who carries a token. Changes nothing. */

import type { Ground, Observed, ProcessIdentity } from "../job/identity.ts";
import type { Living } from "../ports.ts";
import { errno, SystemError } from "./libc.ts";
import { readSmallFile } from "./small_file.ts";

interface ProcStat {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
  readonly threads: number;
  readonly isKernels: boolean;
  /** Addresses of its environment; 0 while it has none, as in the middle of execve(2). */
  readonly environment: readonly [start: string, end: string];
  readonly exitCode: number;
}

const PF_KTHREAD = 0x200000;

/** What a leader is about, by the names that it gives itself (src/keeper/leader.c). */
const START_STEPS: Readonly<Record<string, string>> = {
  "holdfast-shim": "preparing its files",
  "hf:directory": "entering its directory",
  "hf:command": "looking its command up",
};

/** Undefined when there is no such process. Throws SystemError. */
function readStat(pid: number): ProcStat | undefined {
  const text = readSmallFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command name is in parentheses and may hold anything, so fields count from the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    name: text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")),
    state: fields[0]!,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
    threads: Number(fields[17]),
    isKernels: (Number(fields[6]) & PF_KTHREAD) !== 0,
    environment: [fields[47]!, fields[48]!],
    exitCode: Number(fields[49]),
  };
}

export function observe(pid: number): Observed {
  try {
    const stat = readStat(pid);
    if (!stat) return { kind: "absent" };
    const { startTicks, name } = stat;
    return { kind: "present", startTicks, zombie: isOver(stat), startStep: START_STEPS[name] };
  } catch (error) {
    return { kind: "unreadable", cause: error instanceof Error ? error.message : String(error) };
  }
}

/** Of one that lives; undefined when it does not, or is hidden from us. Throws SystemError. */
export function readLiving(
  pid: number,
): Pick<ProcStat, "pid" | "startTicks" | "parent" | "threads"> | undefined {
  const stat = readUnlessHidden(() => readStat(pid));
  return stat && !isOver(stat) ? stat : undefined;
}

/** Undefined when there is no such process. Throws SystemError. */
export function parentOf(pid: number): number | undefined {
  return readStat(pid)?.parent;
}

/** As a person knows it: `123 (sleep, D)`, or the pid alone where nothing more can be read. */
export function describe(pid: number): string {
  if (pid === 0) return "one of another pid namespace";
  const stat = readUnlessHidden(() => readStat(pid));
  return stat ? `${pid} (${stat.name}, ${stat.state})` : String(pid);
}

/** The wait status of one that has ended and has not been reaped. */
export function zombieStatus({ pid, startTicks }: ProcessIdentity): number | undefined {
  const stat = readUnlessHidden(() => readStat(pid));
  if (!stat || !isOver(stat) || stat.startTicks !== startTicks) return undefined;
  // Who may not know is shown 0 (proc(5)); the link tells whether we may.
  return stat.exitCode !== 0 || canInspect(pid) ? stat.exitCode : undefined;
}

function canInspect(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/user`) !== "";
  } catch {
    return false;
  }
}

/**
 * Every process that lives and is not hidden from us, but this one. It is done when nobody has been
 * born since the last list: one that forks and ends while we look would slip through else. Where
 * processes are born faster than they can be listed, one that was gone too soon is told as one of
 * whom nothing is known. Throws SystemError.
 */
export function livingProcesses(): Living[] {
  const living: Living[] = [];
  const seen = new Set([Deno.pid]);
  let born: number[] = [];
  for (let list = 0; list < MAX_LISTS; list++) {
    born = pidsBut(seen);
    if (born.length === 0) return living;
    for (const pid of born) {
      seen.add(pid);
      const stat = readUnlessHidden(() => readStat(pid));
      if (stat && !isOver(stat)) living.push({ ...stat, ...tokenOf(pid) });
    }
  }
  const gone = born.find(hasEnded);
  return gone === undefined ? living : [...living, stranger(gone)];
}

/** Looking must have an end. */
const MAX_LISTS = 10;

function hasEnded(pid: number): boolean {
  const stat = readUnlessHidden(() => readStat(pid));
  return !stat || isOver(stat);
}

function stranger(pid: number): Living {
  return { pid, startTicks: Infinity, parent: 0, group: 0, session: 0, isBecoming: true };
}

function pidsBut(seen: ReadonlySet<number>): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter((pid) => Number.isInteger(pid) && !seen.has(pid));
}

/** Whether it has ended and only waits to be reaped: not while any thread of it but the first lives. */
function isOver({ state, threads }: ProcStat): boolean {
  return (state === "Z" || state === "X") && threads <= 1;
}

const TOKEN_VARIABLE = "HOLDFAST_TOKEN=";

/** The token in a process's initial environment, if there is one and it can be read. */
function tokenOf(pid: number): Pick<Living, "token" | "isBecoming"> {
  const text = readUnlessHidden(() => readSmallFile(`/proc/${pid}/environ`));
  if (text === undefined) return {};
  // Twice, since for an instant of execve(2) the environment is empty to all appearances.
  if (text === "") return { isBecoming: isBecoming(pid) || isBecoming(pid) };
  const at = text.startsWith(TOKEN_VARIABLE) ? 0 : text.indexOf(`\0${TOKEN_VARIABLE}`) + 1;
  if (at === 0 && !text.startsWith(TOKEN_VARIABLE)) return {};
  const end = text.indexOf("\0", at);
  return { token: text.slice(at + TOKEN_VARIABLE.length, end < 0 ? undefined : end) };
}

/** Whether an environment that was read as empty is not: it was, or still is, being replaced. */
function isBecoming(pid: number): boolean {
  const stat = readUnlessHidden(() => readStat(pid));
  if (!stat || isOver(stat) || stat.isKernels) return false;
  const [start, end] = stat.environment;
  return end === "0" || start !== end;
}

export function readGround(): Ground {
  const bootId = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const namespace = Deno.readLinkSync("/proc/self/ns/pid");
  return { bootId, pidNamespace: `${namespace}@${readStat(1)?.startTicks}` };
}

/** What is hidden from us belongs to another user, and so is no process of ours. */
function readUnlessHidden<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const isHidden = error instanceof SystemError &&
      (error.errno === errno.EACCES || error.errno === errno.EPERM);
    if (isHidden) return undefined;
    throw error;
  }
}
