/**
 * Writes lines to a descriptor that others share, and never waits for whoever reads there: lines that
 * find no room wait, up to a bound; beyond that they are lost, counted, and their number is told as
 * soon as there is room. A pipe or terminal is opened anew to be non-blocking for us alone, since
 * O_NONBLOCK belongs to all that share a description (open(2)). What can only be written by waiting,
 * as what we may not open or a file of a network, is written by another thread.
 */

import { Buffer } from "node:buffer";
import { bytesOf, cString, errno, lastErrno, libc, O_CLOEXEC, O_NONBLOCK } from "./libc.ts";

const O_WRONLY = 1, O_NOCTTY = 0o400;
/** MSG_DONTWAIT and MSG_NOSIGNAL of send(2). */
const QUIETLY = 0x40 | 0x4000;
const POLLOUT = 4;
const STATFS_BYTES = 256;
const MOST_WAITING_BYTES = 1 << 18;

/** File systems whose server may not answer, by f_type (statfs(2), linux/magic.h). */
const SERVED = [
  0x6969, // NFS
  0x65735546, // FUSE
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x517b, // SMB
  0x01021997, // 9P
  0x00c36400, // Ceph
  0x5346414f, // AFS
  0x0bd00bd0, // Lustre
];

/** Bytes taken; "full" when there is no room; "gone" when they cannot be written. */
type Attempt = (bytes: Uint8Array<ArrayBuffer>) => number | "full" | "gone";

/** `lines`: for how many it stands, if it is lost. */
interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: number;
  readonly isBegun: boolean;
}

const encoder = new TextEncoder();

export class Outlet {
  /** What tells that so many lines were lost. */
  lossLine = (lines: number): string => `${lines} lines were lost\n`;
  /** "aside": by another thread. */
  #way?: Attempt | "aside";
  #queue: Entry[] = [];
  #queuedBytes = 0;
  #lost = 0;
  /** Whether the last line that went out is cut short. */
  #isCut = false;
  /** What another thread has been given, kept while it has it. */
  #aside?: { readonly poll: Uint8Array<ArrayBuffer>; readonly batch?: Uint8Array<ArrayBuffer> };
  #whenWritten: (() => void)[] = [];

  constructor(private readonly fd: number) {}

  write(line: string): void {
    // There may be room again.
    if (this.#queue.length === 0) this.#tellLoss();
    const bytes = encoder.encode(line);
    if (this.#lost > 0 || this.#queuedBytes + bytes.length > MOST_WAITING_BYTES) this.#lost++;
    else this.#push(bytes, 1);
    this.#pump();
  }

  /** Waits until all is written or lost, but no longer than this. */
  async flush(patienceMs: number): Promise<void> {
    if (!this.#aside) return;
    let timer: number | undefined;
    await new Promise<void>((resolve) => {
      this.#whenWritten.push(resolve);
      timer = setTimeout(resolve, patienceMs);
    });
    clearTimeout(timer);
  }

  #push(bytes: Uint8Array<ArrayBuffer>, lines: number): void {
    this.#queue.push({ bytes, lines, isBegun: false });
    this.#queuedBytes += bytes.length;
  }

  #tellLoss(): void {
    const lines = this.#lost;
    if (lines === 0) return;
    this.#lost = 0;
    this.#push(encoder.encode((this.#isCut ? "\n" : "") + this.lossLine(lines)), lines);
  }

  #pump(): void {
    while (!this.#aside && this.#queue.length > 0) {
      const way = this.#way ??= wayTo(this.fd);
      if (way === undefined) return this.#lose();
      if (way === "aside") return void this.#writeAside();
      const result = way(this.#queue[0]!.bytes);
      if (result === "gone") return this.#lose();
      if (result === "full") return void this.#waitForRoom();
      this.#take(result);
    }
    if (!this.#aside) { for (const resolve of this.#whenWritten.splice(0)) resolve(); }
  }

  /** So many bytes have gone out. */
  #take(count: number): void {
    this.#queuedBytes -= count;
    for (let left = count; left > 0;) {
      const { bytes, lines } = this.#queue[0]!;
      if (left < bytes.length) {
        this.#queue[0] = { bytes: bytes.subarray(left), lines, isBegun: true };
        return;
      }
      left -= bytes.length;
      this.#queue.shift();
      this.#isCut = false;
    }
    if (this.#queue.length === 0) this.#tellLoss();
  }

  #lose(): void {
    this.#isCut ||= this.#queue[0]?.isBegun ?? false;
    for (const { lines } of this.#queue.splice(0)) this.#lost += lines;
    this.#queuedBytes = 0;
    for (const resolve of this.#whenWritten.splice(0)) resolve();
  }

  async #waitForRoom(): Promise<void> {
    await this.#poll();
    this.#aside = undefined;
    this.#pump();
  }

  async #writeAside(): Promise<void> {
    const batch = new Uint8Array(Buffer.concat(this.#queue.map(({ bytes }) => bytes)));
    // Others may have made it non-blocking.
    await this.#poll(batch);
    const count = Number(await libc.write_aside(this.fd, batch, BigInt(batch.length)));
    this.#aside = undefined;
    if (count <= 0) return this.#lose();
    this.#take(count);
    this.#pump();
  }

  async #poll(batch?: Uint8Array<ArrayBuffer>): Promise<void> {
    const poll = pollOut(this.fd);
    this.#aside = { poll, batch };
    await libc.poll_aside(poll, 1n, -1);
  }
}

/** struct pollfd (poll(2)) that waits for room. */
export function pollOut(fd: number): Uint8Array<ArrayBuffer> {
  return bytesOf(new Int32Array([fd, POLLOUT]));
}

/** Undefined while there is nobody at the other end. */
function wayTo(fd: number): Attempt | "aside" | undefined {
  const path = `/proc/self/fd/${fd}`;
  try {
    const { isFile, isSocket, isFifo, isCharDevice } = Deno.statSync(path);
    if (isSocket) return attempt((bytes, size) => libc.sendto(fd, bytes, size, QUIETLY, null, 0));
    if (isFile) return isServed(path) ? "aside" : writing(fd);
    if (!isFifo && !isCharDevice) return "aside";
  } catch {
    return "aside";
  }
  const flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const own = libc.open(cString(path), flags, 0);
  if (own >= 0) return writing(own);
  return lastErrno() === errno.ENXIO ? undefined : "aside";
}

function isServed(path: string): boolean {
  const found = new Uint32Array(STATFS_BYTES / 4);
  if (libc.statfs(cString(path), bytesOf(found)) !== 0) return true;
  return SERVED.includes(found[0]!);
}

function writing(fd: number): Attempt {
  return attempt((bytes, size) => libc.write(fd, bytes, size));
}

function attempt(go: (bytes: Uint8Array<ArrayBuffer>, size: bigint) => bigint): Attempt {
  return (bytes) => {
    const count = Number(go(bytes, BigInt(bytes.length)));
    if (count > 0) return count;
    const code = lastErrno();
    return count < 0 && (code === errno.EAGAIN || code === errno.EINTR) ? "full" : "gone";
  };
}
