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
const BATCH = 64;
/** For so long it is asked what is ready already and handled, before the runtime's own events come. */
const IN_A_ROW_MS = 5;
/** For so long this thread waits itself, in which the runtime's own events must wait with it. */
const SOON_MS = 1;
/** struct epoll_event is packed on x86_64 only (epoll_ctl(2), Notes of the ABI). */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;

type Handler = (events: number) => void;

interface Watched {
  /** What is told of a descriptor that was closed meanwhile is not told of another under its number. */
  readonly generation: number;
  readonly handler: Handler;
}

export class Reactor {
  #epoll = must("epoll_create1", libc.epoll_create1(EPOLL_CLOEXEC));
  #watched = new Map<number, Watched>();
  #generation = 0;
  #event = eventsOf(1);
  /** Of the thread that waits, and of this one. */
  #awaited = eventsOf(BATCH);
  #polled = eventsOf(BATCH);
  #stopped = false;

  constructor(private readonly onError: (error: unknown) => void) {}

  /** Throws SystemError. */
  add(fd: number, events: number, handler: Handler): void {
    const generation = this.#generation = (this.#generation + 1) | 0;
    this.#control(ADD, fd, events, generation);
    this.#watched.set(fd, { generation, handler });
  }

  change(fd: number, events: number): void {
    this.#control(MODIFY, fd, events, this.#watched.get(fd)?.generation ?? 0);
  }

  /** To be called before the descriptor is closed. */
  remove(fd: number): void {
    if (this.#watched.delete(fd)) this.#control(DELETE, fd, 0, 0);
  }

  async run(): Promise<void> {
    for (let sinceMs = performance.now(); !this.#stopped;) {
      const heard = this.#hear();
      if (!heard) {
        await this.#wait();
        sinceMs = performance.now();
      }
      // What they have asked for soon is done now.
      await undefined;
      if (performance.now() - sinceMs >= IN_A_ROW_MS) {
        await new Promise(setImmediate);
        sinceMs = performance.now();
      }
    }
  }

  /**
   * Has something done when the runtime's own events, and whoever is ready then, have been heard. The
   * runtime lets in nothing from other threads while it is kept busy so, not even that `run` may go on.
   */
  later(go: () => void): () => void {
    let isCancelled = false;
    setImmediate(() => {
      this.#hear();
      queueMicrotask(() => isCancelled || go());
    });
    return () => isCancelled = true;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Another thread is had to wait where nothing comes soon: to be woken by it takes longer than a job. */
  async #wait(): Promise<void> {
    await new Promise(setImmediate);
    if (this.#hear(SOON_MS)) return;
    const awaited = this.#awaited;
    this.#tell(awaited, await libc.epoll_wait(this.#epoll, bytesOf(awaited), BATCH, -1));
  }

  /** Handles what is ready within so many ms; false when nothing is. */
  #hear(withinMs = 0): boolean {
    if (this.#stopped) return false;
    const count = libc.epoll_poll(this.#epoll, bytesOf(this.#polled), BATCH, withinMs);
    this.#tell(this.#polled, count);
    return count > 0;
  }

  #tell(events: DataView<ArrayBuffer>, count: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      const fd = events.getInt32(at + DATA_AT, true);
      const generation = events.getInt32(at + DATA_AT + 4, true);
      this.#dispatch(fd, generation, events.getUint32(at, true));
    }
  }

  #dispatch(fd: number, generation: number, events: number): void {
    try {
      const watched = this.#watched.get(fd);
      if (watched?.generation === generation) watched.handler(events);
    } catch (error) {
      this.onError(error);
    }
  }

  #control(operation: number, fd: number, events: number, generation: number): void {
    this.#event.setUint32(0, events, true);
    this.#event.setInt32(DATA_AT, fd, true);
    this.#event.setInt32(DATA_AT + 4, generation, true);
    if (libc.epoll_ctl(this.#epoll, operation, fd, bytesOf(this.#event)) === 0) return;
    const code = lastErrno();
    if (operation === DELETE && code === errno.ENOENT) return;
    throw new SystemError("epoll_ctl", code);
  }
}

function eventsOf(count: number): DataView<ArrayBuffer> {
  return new DataView(new ArrayBuffer(EVENT_BYTES * count));
}
