/**
 * Waits for file descriptors with epoll(7) and calls their handlers: sockets, the lines of shims and the
 * pidfds of adopted processes. One thread waits in the kernel; nothing wakes while nothing happens.
 * All descriptors that are ready together are handled before anything else runs, which is what makes
 * the requests of one moment share one commit.
 */

import { setImmediate } from "node:timers";
import { bytesOf, errno, lastErrno, libc, must, SystemError } from "./libc.ts";

export const READABLE = 0x001;
export const PRIORITY = 0x002;
export const WRITABLE = 0x004;
export const BROKEN = 0x008 | 0x010;

const EPOLL_CLOEXEC = 0o2000000;
const ADD = 1, DELETE = 2, MODIFY = 3;
const BATCH = 256;
/** So many times in a row it is asked what is ready already, before the runtime's own events come. */
const ASKED_IN_A_ROW = 8;
/** For so long this thread waits itself, in which the runtime's own events must wait with it. */
const SOON_MS = 1;
/** struct epoll_event is packed on x86_64 only (epoll_ctl(2), Notes of the ABI). */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;

type Handler = (events: number) => void;

export class Reactor {
  #epoll = must("epoll_create1", libc.epoll_create1(EPOLL_CLOEXEC));
  #handlers = new Map<number, Handler>();
  #event = new DataView(new ArrayBuffer(EVENT_BYTES));
  #stopped = false;

  constructor(private readonly onError: (error: unknown) => void) {}

  /** Throws SystemError. */
  add(fd: number, events: number, handler: Handler): void {
    this.#control(ADD, fd, events);
    this.#handlers.set(fd, handler);
  }

  change(fd: number, events: number): void {
    this.#control(MODIFY, fd, events);
  }

  /** To be called before the descriptor is closed. */
  remove(fd: number): void {
    if (this.#handlers.delete(fd)) this.#control(DELETE, fd, 0);
  }

  async run(): Promise<void> {
    const events = new DataView(new ArrayBuffer(EVENT_BYTES * BATCH));
    for (let asked = 0; !this.#stopped;) {
      const ready = libc.epoll_poll(this.#epoll, bytesOf(events), BATCH, 0);
      asked = ready > 0 ? asked + 1 : 0;
      const count = ready > 0 ? ready : await this.#wait(events);
      for (let i = 0; i < count; i++) {
        const at = i * EVENT_BYTES;
        this.#dispatch(events.getInt32(at + DATA_AT, true), events.getUint32(at, true));
      }
      // What they have asked for soon is done now.
      await undefined;
      if (asked >= ASKED_IN_A_ROW) {
        asked = 0;
        await new Promise(setImmediate);
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Another thread is had to wait where nothing comes soon: to be woken by it takes longer than a job. */
  async #wait(events: DataView<ArrayBuffer>): Promise<number> {
    await new Promise(setImmediate);
    const ready = libc.epoll_poll(this.#epoll, bytesOf(events), BATCH, SOON_MS);
    return ready > 0 ? ready : libc.epoll_wait(this.#epoll, bytesOf(events), BATCH, -1);
  }

  #dispatch(fd: number, events: number): void {
    try {
      this.#handlers.get(fd)?.(events);
    } catch (error) {
      this.onError(error);
    }
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event.setUint32(0, events, true);
    this.#event.setInt32(DATA_AT, fd, true);
    if (libc.epoll_ctl(this.#epoll, operation, fd, bytesOf(this.#event)) === 0) return;
    const code = lastErrno();
    if (operation === DELETE && code === errno.ENOENT) return;
    throw new SystemError("epoll_ctl", code);
  }
}
