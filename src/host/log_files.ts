/**
 * The logs of runs on their disk: how big they are, and bytes given back to it by holes (fallocate(2))
 * while the jobs append on. What is gone is written in a record beside the log first.
 *
 * The hole is the fact and the record what it means: where there is data in the gap of a record, the
 * hole was not made yet, or the job has truncated its log and written it anew.
 */

import type { Gap, LogFiles, LogReader, LogState, LogStream, Space } from "../ports.ts";
import { MIN_LOG_SIZE } from "../job/limits.ts";
import { Ballast, spaceOf } from "./disk_space.ts";
import { cString, errno, lastErrno, libc, must, O_CLOEXEC, O_RDWR, SystemError } from "./libc.ts";
import { FileLogReader, logAt } from "./log_reader.ts";
import { readRecord, RecordWriter, removeRecord } from "./log_record.ts";

const FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2;
const SEEK_DATA = 3, SEEK_HOLE = 4;
/** No gap begins before. */
const LEAST_HEAD = MIN_LOG_SIZE / 2;

export class HostLogFiles implements LogFiles {
  readonly #runs: string;
  readonly #ballast: Ballast;
  readonly #records: RecordWriter;

  constructor(private readonly state: string) {
    this.#runs = `${state}/runs`;
    this.#ballast = new Ballast(`${state}/reserve`);
    this.#records = new RecordWriter(`${state}/spare.cut`);
  }

  look(id: number, stream: LogStream): LogState | undefined {
    const path = this.#path(id, stream);
    const found = sizeOf(path);
    if (!found) return undefined;
    const { bytes, block } = found;
    const record = bytes > LEAST_HEAD ? readRecord(path) : undefined;
    if (record?.isUnderWay) {
      withFile(path, (fd) => this.#truncate(path, fd, record.gap));
      return this.look(id, stream);
    }
    const gap = record && this.#trueGap(path, record.gap, bytes);
    return { size: bytes + (gap?.shift ?? 0), gap, block };
  }

  isLost(id: number, stream: LogStream, pid: number | undefined): boolean {
    const path = this.#path(id, stream);
    if (!logAt(path)) return true;
    return pid !== undefined && writesElsewhere(pid, stream, path);
  }

  cut(id: number, stream: LogStream, from: number, to: number): Gap {
    const path = this.#path(id, stream);
    const gap = withFile(path, (fd) => {
      const shift = readRecord(path)?.gap.shift ?? 0;
      if (shift === 0) {
        const gap = { from, to, shift: 0 };
        this.#records.write(path, { gap, isUnderWay: false });
        if (punch(path, fd, from, to)) return gap;
      }
      const size = sizeOf(path)!.bytes + shift;
      return this.#truncate(path, fd, { from, to: size, shift: size - from });
    });
    // Now there is room for it.
    this.#records.makeSpare();
    return gap;
  }

  space(): Space | undefined {
    return spaceOf(this.state, this.#runs);
  }

  takeBallast(bytes: number): void {
    this.#records.makeSpare();
    this.#ballast.take(bytes);
  }

  giveBallast(): boolean {
    return this.#ballast.give();
  }

  read(id: number, stream: LogStream, offset: number): LogReader {
    return new FileLogReader(this.#path(id, stream), offset);
  }

  /** What a record says, as far as it is true. `bytes`: of the file. */
  #trueGap(path: string, gap: Gap, bytes: number): Gap | undefined {
    const { from, to, shift } = gap;
    if (shift > 0 && bytes >= from) return gap;
    const mayHold = shift === 0 && bytes >= to;
    const hole = mayHold ? withFile(path, (fd) => holeIn(fd, from, to)) : undefined;
    if (!hole) removeRecord(path);
    else if (hole.from !== from || hole.to !== to) {
      this.#records.write(path, { gap: hole, isUnderWay: false });
    }
    return hole;
  }

  /**
   * What the job appends goes on at `from`. Dying in it: it is done again, and what came meanwhile
   * is gone.
   */
  #truncate(path: string, fd: number, gap: Gap): Gap {
    this.#records.write(path, { gap, isUnderWay: true });
    must(`ftruncate ${path}`, libc.ftruncate(fd, BigInt(gap.from)));
    this.#records.write(path, { gap, isUnderWay: false });
    return gap;
  }

  #path(id: number, stream: LogStream): string {
    return `${this.#runs}/${id}/${stream}.log`;
  }
}

/** By the name of its descriptor: `stdout.log (deleted)`, `stdout.log.1`. A job may write to other files. */
function writesElsewhere(pid: number, stream: LogStream, path: string): boolean {
  try {
    const target = Deno.readLinkSync(`/proc/${pid}/fd/${stream === "stdout" ? 1 : 2}`);
    const log = Deno.realPathSync(path);
    return target !== log && target.startsWith(log);
  } catch {
    // It has ended, or closed it.
    return false;
  }
}

/** False where the disk cannot have holes, or does not tell where they are. Throws SystemError. */
function punch(path: string, fd: number, from: number, to: number): boolean {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (libc.fallocate(fd, mode, BigInt(from), BigInt(to - from)) !== 0) {
    const code = lastErrno();
    if (code === errno.EOPNOTSUPP || code === errno.ENOSYS) return false;
    throw new SystemError(`fallocate ${path}`, code);
  }
  const hole = holeIn(fd, from, to);
  return hole !== undefined && hole.from === from && hole.to === to;
}

/** The first hole that begins at or after `from`, up to `to`. */
function holeIn(fd: number, from: number, to: number): Gap | undefined {
  const begin = seek(fd, from, SEEK_HOLE);
  if (begin === undefined || begin >= to) return undefined;
  const end = seek(fd, begin, SEEK_DATA) ?? to;
  return { from: begin, to: Math.min(end, to), shift: 0 };
}

/** Undefined where there is none any more. */
function seek(fd: number, offset: number, what: number): number | undefined {
  const found = Number(libc.lseek(fd, BigInt(offset), what));
  return found < 0 ? undefined : found;
}

function withFile<T>(path: string, go: (fd: number) => T): T {
  const fd = must(`open ${path}`, libc.open(cString(path), O_RDWR | O_CLOEXEC, 0));
  try {
    return go(fd);
  } finally {
    libc.close(fd);
  }
}

function sizeOf(path: string): { bytes: number; block: number } | undefined {
  const found = logAt(path);
  return found && { bytes: found.size, block: found.blksize || 4096 };
}
