/**
 * The records of what is gone of logs, `stdout.cut` beside `stdout.log`: from and to, how far what
 * comes after has moved in the file, and whether a truncation is under way. On disk before any byte
 * goes, also on a full disk: a record that is there is written over, and a new one begins as a spare.
 */

import type { Gap } from "../ports.ts";
import { readSmallFile } from "./small_file.ts";

export interface GapRecord {
  readonly gap: Gap;
  readonly isUnderWay: boolean;
}

/** In one write, which neither the end of this process nor that of the machine can tear. */
const RECORD_BYTES = 80;
const UNDER_WAY = " cutting";

/** `log`: the path of the log. */
export function readRecord(log: string): GapRecord | undefined {
  const text = readSmallFile(recordPath(log)) ?? "";
  const match = /^(\d+) (\d+) (\d+)( cutting)? *\n$/.exec(text);
  if (!match) return undefined;
  const gap = { from: Number(match[1]), to: Number(match[2]), shift: Number(match[3]) };
  return { gap, isUnderWay: match[4] !== undefined };
}

export function removeRecord(log: string): void {
  Deno.removeSync(recordPath(log));
}

export class RecordWriter {
  #hasSpare = false;

  /** `spare`: the path of a record that is made beforehand. */
  constructor(private readonly spare: string) {}

  write(log: string, { gap, isUnderWay }: GapRecord): void {
    const path = recordPath(log);
    const text = `${gap.from} ${gap.to} ${gap.shift}${isUnderWay ? UNDER_WAY : ""}`;
    try {
      writeOver(path, text);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      writeOver(this.spare, text, { create: true });
      this.#hasSpare = false;
      try {
        Deno.renameSync(this.spare, path);
      } catch {
        // Logs can be on a disk of their own.
        writeOver(path, text, { create: true });
      }
    }
  }

  makeSpare(): void {
    if (this.#hasSpare) return;
    try {
      // Not waited for: room is set aside for it all the same.
      writeOver(this.spare, "", { create: true, isSynced: false });
      this.#hasSpare = true;
    } catch {
      // The disk has no room for it: it is tried again after the next cut.
    }
  }
}

function writeOver(path: string, text: string, { create = false, isSynced = true } = {}): void {
  using file = Deno.openSync(path, { write: true, create });
  file.writeSync(new TextEncoder().encode(text.padEnd(RECORD_BYTES - 1) + "\n"));
  if (isSynced) file.syncDataSync();
}

function recordPath(log: string): string {
  return log.replace(/log$/, "cut");
}
