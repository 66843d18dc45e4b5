/** What is written in the files of a run, by shims of this version and by the shell shims before it. */

import { type ExitStatus, fromShell } from "../job/exit_status.ts";
import { MS_PER_TICK, type ProcessIdentity } from "../job/identity.ts";
import type { Usage } from "../job/job.ts";
import type { Claim } from "../ports.ts";

export const FENCE = "fence\n";

/** The file in which attempt n is claimed. */
export function claimName(attempt: number): string {
  return attempt === 1 ? "claim" : `claim.${attempt}`;
}

export function parseClaim(text: string): Claim {
  if (text === FENCE) return { kind: "fence" };
  const match = /^(\d+) (\d+) (\S+)\n$/.exec(text);
  if (!match) return { kind: "unsigned" };
  const shim = { pid: Number(match[1]), startTicks: Number(match[2]) };
  return { kind: "signed", shim, token: match[3]! };
}

export function parseProc(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+)\n$/.exec(text);
  return match ? { pid: Number(match[1]), startTicks: Number(match[2]) } : undefined;
}

export interface EndRecord {
  readonly exit: ExitStatus;
  readonly usage: Usage;
  /** Wall clock, ms since 1970; a shell shim tells none. */
  readonly atMs?: number;
  /** Nothing was executed; `refused` tells why. */
  readonly isRefused: boolean;
  /** Nobody of the job was left: its usage is that of the whole job. */
  readonly isFinal: boolean;
  readonly isOfShell: boolean;
}

const RECORD = /^exit (\d{1,3}):(\d{1,2})( core)? at (\d+) (user .*?)( refused)?( final)?\n$/;

/** A record without its newline was cut short and does not count. */
export function parseEndRecord(text: string): EndRecord | undefined {
  const match = RECORD.exec(text);
  if (!match) return parseShellRecord(text);
  const usage = parseUsage(`${match[5]}\n`);
  if (!usage) return undefined;
  const exit = { code: Number(match[1]), signal: Number(match[2]) };
  return {
    exit: match[3] ? { ...exit, coreDumped: true } : exit,
    usage,
    atMs: Number(match[4]),
    isRefused: match[6] !== undefined,
    isFinal: match[7] !== undefined,
    isOfShell: false,
  };
}

/** Times in µs, the rest in bytes. */
export function parseUsage(text: string): Usage | undefined {
  const match = /^user (\d+) system (\d+) memory (\d+) read (\d+) written (\d+)\n$/.exec(text);
  if (!match) return undefined;
  const [userUs, systemUs, memory, readBytes, writtenBytes] = match.slice(1).map(Number);
  return usageOf(userUs!, systemUs!, memory!, readBytes!, writtenBytes!);
}

export function usageOf(
  userUs: number,
  systemUs: number,
  memory: number,
  readBytes: number,
  writtenBytes: number,
): Usage {
  return {
    userTimeMs: Math.round(userUs / 1000),
    systemTimeMs: Math.round(systemUs / 1000),
    maxMemory: memory,
    readBytes,
    writtenBytes,
  };
}

/** What a shell wrote in its command's place when `refused` told why that never ran. */
const SHELL_NOT_STARTED = 127;

/** Bytes are left out where the kernel does not count them. */
function parseShellRecord(text: string): EndRecord | undefined {
  const match = /^(\d{1,3}) (\d+) (\d+)(?: (\d+) (\d+))?\n$/.exec(text);
  if (!match) return undefined;
  const [status, userTicks, systemTicks, readBytes, writtenBytes] = match.slice(1)
    .map((digits) => digits === undefined ? undefined : Number(digits));
  return {
    exit: fromShell(status!),
    usage: {
      userTimeMs: userTicks! * MS_PER_TICK,
      systemTimeMs: systemTicks! * MS_PER_TICK,
      readBytes,
      writtenBytes,
    },
    isRefused: status === SHELL_NOT_STARTED,
    isFinal: false,
    isOfShell: true,
  };
}
