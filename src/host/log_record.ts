/**
 * The record of what is gone of a log, `stdout.cut` beside `stdout.log`: from and to, how far what
 * comes after has moved in the file, and whether a truncation is under way. On disk before any byte goes.
 */

import type { Gap } from "../ports.ts";
import { readSmallFile } from "./small_file.ts";

export interface GapRecord {
  readonly gap: Gap;
  readonly isUnderWay: boolean;
}

const UNDER_WAY = " cutting";

/** `log`: the path of the log. */
export function readRecord(log: string): GapRecord | undefined {
  const text = readSmallFile(recordPath(log)) ?? "";
  const match = /^(\d+) (\d+) (\d+)( cutting)?\n$/.exec(text);
  if (!match) return undefined;
  const gap = { from: Number(match[1]), to: Number(match[2]), shift: Number(match[3]) };
  return { gap, isUnderWay: match[4] !== undefined };
}

export function writeRecord(log: string, { gap, isUnderWay }: GapRecord): void {
  const path = recordPath(log);
  const text = `${gap.from} ${gap.to} ${gap.shift}${isUnderWay ? UNDER_WAY : ""}\n`;
  {
    using file = Deno.openSync(`${path}.new`, { write: true, create: true, truncate: true });
    file.writeSync(new TextEncoder().encode(text));
    file.syncDataSync();
  }
  Deno.renameSync(`${path}.new`, path);
}

export function removeRecord(log: string): void {
  Deno.removeSync(recordPath(log));
}

function recordPath(log: string): string {
  return log.replace(/log$/, "cut");
}
