/** Sends starts to a keeper, each with one end of the line over which its shim tells news. */

import { type HearShim, type Keeper, type ShimStart, SIGKILL } from "../ports.ts";
import type { KeeperProcess } from "./keeper_process.ts";
import { bytesOf, cString, errno, errorText, lastErrno, libc, must, SystemError } from "./libc.ts";
import { sendByPidfd } from "./pidfd.ts";
import { type Reactor, READABLE, WRITABLE } from "./reactor.ts";
import type { ShimLines } from "./shim_line.ts";
import type { StartMessages } from "./shim_start.ts";
import { AF_UNIX, DescriptorMessage, PACKET_FLAGS } from "./unix_socket.ts";

const MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033, F_SEAL_SHRINK = 2, F_SEAL_WRITE = 8;
/** The keeper has too much to do, or the kernel has too many descriptors under way to it. */
const BUSY: readonly number[] = [errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS, errno.EINTR];

export class HostKeeper implements Keeper {
  readonly pid: number;
  readonly #ends = new Int32Array(2);
  readonly #message = new DescriptorMessage();
  #isGone = false;
  #whenWritable: (() => void) | undefined;

  constructor(
    private readonly process: KeeperProcess,
    private readonly messages: StartMessages,
    private readonly lines: ShimLines,
    private readonly reactor: Reactor,
    private readonly onGone: () => void,
  ) {
    this.pid = process.pid;
  }

  /** Watches for its end. */
  open(): void {
    this.reactor.add(this.process.socket, READABLE, (events) => this.#handle(events));
  }

  start(start: ShimStart, hear: HearShim): "sent" | "busy" | "gone" {
    if (this.#isGone) return "gone";
    if (libc.socketpair(AF_UNIX, PACKET_FLAGS, 0, bytesOf(this.#ends)) < 0) {
      return refuse(hear, `the node has no descriptor for it: ${errorText(lastErrno())}`);
    }
    const [ours, its] = [this.#ends[0]!, this.#ends[1]!];
    const code = this.#lineAndStart(start, ours, its, hear);
    libc.close(its);
    if (code === 0) return "sent";
    this.lines.drop(ours);
    if (BUSY.includes(code)) return "busy";
    if (code === errno.EPIPE || code === errno.ECONNRESET) return "gone";
    return refuse(hear, `the keeper cannot be told: ${errorText(code)}`);
  }

  whenWritable(go: () => void): void {
    this.#whenWritable = go;
    if (!this.#isGone) this.reactor.change(this.process.socket, READABLE | WRITABLE);
  }

  kill(): void {
    if (this.#isGone) return;
    sendByPidfd(this.process.pidfd, SIGKILL);
  }

  /** The line first, so that nobody is started whom we could not hear. 0, or the number of an error. */
  #lineAndStart(start: ShimStart, ours: number, its: number, hear: HearShim): number {
    try {
      this.lines.open(ours, hear);
    } catch (error) {
      if (error instanceof SystemError) return error.errno;
      throw error;
    }
    return this.#send(start, its);
  }

  /** 0, or the number of an error. */
  #send(start: ShimStart, line: number): number {
    const { bytes, isLarge } = this.messages.encode(start);
    const { socket } = this.process;
    if (!isLarge) return this.#message.send(socket, bytes, [line]);
    const memfd = sealed(bytes);
    if (memfd < 0) return -memfd;
    const code = this.#message.send(socket, bytes.subarray(0, 1), [line, memfd]);
    libc.close(memfd);
    return code;
  }

  /** It never says anything: what is readable is its end. */
  #handle(events: number): void {
    if (events & ~WRITABLE) return this.#finish();
    this.reactor.change(this.process.socket, READABLE);
    this.#goOn();
  }

  #finish(): void {
    this.#isGone = true;
    this.reactor.remove(this.process.socket);
    libc.close(this.process.socket);
    libc.close(this.process.pidfd);
    this.#goOn();
    this.onGone();
  }

  #goOn(): void {
    const go = this.#whenWritable;
    this.#whenWritable = undefined;
    go?.();
  }
}

/** Heard when the caller is done. */
function refuse(hear: HearShim, why: string): "sent" {
  queueMicrotask(() => {
    hear({ kind: "notForked", refusal: { why, by: "node" } });
    hear({ kind: "silent" });
  });
  return "sent";
}

/** A file in memory that changes no more; or the number of an error below zero. */
function sealed(bytes: Uint8Array<ArrayBuffer>): number {
  const fd = libc.memfd_create(cString("holdfast-start"), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -lastErrno();
  const written = Number(libc.write(fd, bytes, BigInt(bytes.length)));
  if (written === bytes.length) {
    must("fcntl", libc.fcntl(fd, F_ADD_SEALS, BigInt(F_SEAL_SHRINK | F_SEAL_WRITE)));
    return fd;
  }
  libc.close(fd);
  return -errno.ENOMEM;
}
