/** Reads /proc: who a process is, where pids mean something, who carries a token. Changes nothing. */

import type { Ground, Observed } from "../job/identity.ts";
import type { Living } from "../ports.ts";
import { errno, SystemError } from "./libc.ts";
import { readSmallFile } from "./small_file.ts";

interface ProcStat {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
}

/** Undefined when there is no such process. Throws SystemError. */
function readStat(pid: number): ProcStat | undefined {
  const text = readSmallFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command name is in parentheses and may hold anything, so fields count from the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0]!,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

export function observe(pid: number): Observed {
  try {
    const stat = readStat(pid);
    if (!stat) return { kind: "absent" };
    return { kind: "present", startTicks: stat.startTicks, zombie: isOver(stat) };
  } catch (error) {
    return { kind: "unreadable", cause: error instanceof Error ? error.message : String(error) };
  }
}

/** Every process that lives and is not hidden from us, but this one. Throws SystemError. */
export function livingProcesses(): Living[] {
  const living: Living[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    const stat = readUnlessHidden(() => readStat(pid));
    if (stat && !isOver(stat)) living.push({ ...stat, token: tokenOf(pid) });
  }
  return living;
}

/** Whether it has ended, and only waits to be reaped. */
function isOver(stat: ProcStat): boolean {
  return stat.state === "Z" || stat.state === "X";
}

const TOKEN_VARIABLE = "HOLDFAST_TOKEN=";

/** The token in a process's initial environment; undefined when there is none or it cannot be read. */
function tokenOf(pid: number): string | undefined {
  const text = readUnlessHidden(() => readSmallFile(`/proc/${pid}/environ`));
  if (text === undefined) return undefined;
  const at = text.startsWith(TOKEN_VARIABLE) ? 0 : text.indexOf(`\0${TOKEN_VARIABLE}`) + 1;
  if (at === 0 && !text.startsWith(TOKEN_VARIABLE)) return undefined;
  const end = text.indexOf("\0", at);
  return text.slice(at + TOKEN_VARIABLE.length, end < 0 ? undefined : end);
}

/** Children that were started by, or given to, the main thread of this process. */
export function ownChildren(): number[] | undefined {
  const text = readUnlessHidden(() => readSmallFile(`/proc/self/task/${Deno.pid}/children`));
  return text?.split(" ").filter((word) => word !== "").map(Number);
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
