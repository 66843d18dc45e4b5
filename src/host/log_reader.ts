/** Reads a log piece by piece while its job appends to it, and while it is cut. */

import type { LogPiece, LogReader } from "../ports.ts";
import { type GapRecord, readRecord } from "./log_record.ts";

const PIECE_BYTES = 1 << 18;

export class FileLogReader implements LogReader {
  #file?: Deno.FsFile;
  #buffer?: Uint8Array<ArrayBuffer>;
  #hasRead = false;

  constructor(readonly path: string, private offset: number) {}

  next(): LogPiece | undefined {
    this.#file ??= openIfThere(this.path);
    if (!this.#file) return undefined;
    this.#buffer ??= new Uint8Array(PIECE_BYTES);
    // Cuts are made by this thread: none comes between the record and the read.
    const record = readRecord(this.path);
    if (this.#wasTruncated(record)) this.offset = 0;
    const at = skipGap(this.offset, record);
    const count = this.#read(at, record);
    const cut = at - this.offset;
    if (count + cut === 0) return undefined;
    this.offset = at + count;
    this.#hasRead = true;
    return { offset: at, bytes: this.#buffer.subarray(0, count), cut };
  }

  isReplaced(): boolean {
    if (!this.#file) return false;
    const [there, ours] = [logAt(this.path), this.#file.statSync()];
    return there?.dev !== ours.dev || there.ino !== ours.ino;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #read(at: number, record: GapRecord | undefined): number {
    let room = PIECE_BYTES, shift = 0;
    if (record) {
      const { gap, isUnderWay } = record;
      if (at < gap.from) room = Math.min(room, gap.from - at);
      else if (isUnderWay) return 0;
      else shift = gap.shift;
    }
    this.#file!.seekSync(at - shift, Deno.SeekMode.Start);
    return this.#file!.readSync(this.#buffer!.subarray(0, room)) ?? 0;
  }

  /** By its job, since it was read: what it writes now begins at 0 again. */
  #wasTruncated(record: GapRecord | undefined): boolean {
    return this.#hasRead && !record?.isUnderWay &&
      this.#file!.statSync().size + (record?.gap.shift ?? 0) < this.offset;
  }
}

function skipGap(offset: number, record: GapRecord | undefined): number {
  if (!record || offset < record.gap.from) return offset;
  return Math.max(offset, record.gap.to);
}

/** It is not there before its job is started. */
function openIfThere(path: string): Deno.FsFile | undefined {
  return logAt(path) && Deno.openSync(path);
}

/** What is at the path of a log; undefined when nothing is, or no log: a FIFO would hang its reader. */
export function logAt(path: string): Deno.FileInfo | undefined {
  try {
    const found = Deno.statSync(path);
    return found.isFile ? found : undefined;
  } catch (error) {
    const { NotFound, NotADirectory, FilesystemLoop } = Deno.errors;
    if ([NotFound, NotADirectory, FilesystemLoop].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}
