/** Reads /proc: who a process is, where pids mean something, who carries a token. Changes nothing. */

import type { Ground, Observed } from "../job/identity.ts";

export interface ProcStat {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
}

/** Throws what Deno.readTextFileSync throws. */
export function readStat(pid: number): ProcStat {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
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
    const zombie = stat.state === "Z" || stat.state === "X";
    return { kind: "present", startTicks: stat.startTicks, zombie };
  } catch (error) {
    if (isGone(error)) return { kind: "absent" };
    return { kind: "unreadable", cause: error instanceof Error ? error.message : String(error) };
  }
}

/** The stats of all processes that can be read now. */
export function* allProcesses(): Generator<ProcStat> {
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid)) continue;
    try {
      yield readStat(pid);
    } catch {
      // It ended while we looked, or is hidden from us: then it is no process of ours.
    }
  }
}

const TOKEN_VARIABLE = "HOLDFAST_TOKEN=";

/** The token in a process's initial environment; undefined when there is none or it cannot be read. */
export function tokenOf(pid: number): string | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/environ`);
  } catch {
    return undefined;
  }
  const at = text.startsWith(TOKEN_VARIABLE) ? 0 : text.indexOf(`\0${TOKEN_VARIABLE}`) + 1;
  if (at === 0 && !text.startsWith(TOKEN_VARIABLE)) return undefined;
  const end = text.indexOf("\0", at);
  return text.slice(at + TOKEN_VARIABLE.length, end < 0 ? undefined : end);
}

/** Children that were started by, or given to, the main thread of this process. */
export function ownChildren(): number[] | undefined {
  try {
    const text = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`);
    return text.split(" ").filter((word) => word !== "").map(Number);
  } catch {
    return undefined;
  }
}

export function readGround(): Ground {
  const bootId = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const namespace = Deno.readLinkSync("/proc/self/ns/pid");
  return { bootId, pidNamespace: `${namespace}@${readStat(1).startTicks}` };
}

/** A process that ends while /proc is read gives ENOENT at open or ESRCH at read. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof Error && /ESRCH|No such process/.test(error.message));
}
