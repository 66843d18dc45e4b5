/**
 * The control socket: connections, messages in and out, replies in the order of the calls. What the
 * methods do is the service's matter. A peer is known by what the kernel says of it. Memory per peer
 * is bounded: one that does not read its replies is not read from either.
 */

import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import { BROKEN, type Reactor, READABLE, WRITABLE } from "../host/reactor.ts";
import {
  accept,
  type Listener,
  listenUnix,
  type Peer,
  peerOf,
  receive,
  send,
} from "../host/unix_socket.ts";
import { libc } from "../host/libc.ts";
import type { Log } from "../job/log.ts";
import { encodeMessage, MessageTooLong, Splitter } from "./framing.ts";
import { parseCall, type Request } from "./call.ts";
import { INTERFACE_NAME } from "./interface.ts";

export interface Limits {
  /** bytes of one message */
  readonly message: number;
  readonly connections: number;
  /** Calls of one connection that have been read and not answered. */
  readonly calls: number;
  /** bytes of replies that a peer may leave unread before it is not served on */
  readonly unread: number;
}

/** One call, and the way to answer it. Answering a call whose peer is gone does nothing. */
export interface Call extends Request {
  readonly peer: Peer;
  reply(parameters: object, options?: { continues: boolean }): void;
  fail(error: string, parameters: object): void;
  /** Whether the peer must read first; then `whenRead` calls back once it has. */
  readonly isFull: boolean;
  whenRead(go: () => void): void;
  /** Called once when the peer is gone before the call is answered. */
  onGone(stop: () => void): void;
}

/** Calls in a row that `mayOverlap` are begun together; any other waits until those before it are answered. */
export interface Service {
  handle(call: Call): void;
  mayOverlap(method: string): boolean;
}

const READ_BYTES = 65536;
/** Messages are sent together up to so many bytes. */
const WRITE_BYTES = 1 << 18;
/** How long the calls of one connection may go on before everybody else has a turn. */
const SLICE_MS = 5;
const ACCEPT_RETRY_MS = 100;

export class Server {
  readonly #connections = new Set<Connection>();
  readonly #buffer = new Uint8Array(READ_BYTES);
  #listener?: Listener;

  constructor(
    private readonly reactor: Reactor,
    private readonly service: Service,
    private readonly limits: Limits,
    private readonly log: Log,
  ) {}

  /** Throws SystemError. */
  listen(path: string): void {
    const listener = listenUnix(path);
    this.#listener = listener;
    this.reactor.add(listener.fd, READABLE, () => this.#accept(listener));
  }

  /** Before it is closed for good: nobody more is led here. */
  removeSocket(): void {
    this.#listener?.removePath();
  }

  /** Accepts nobody more and lets go of everybody, once what they are owed has been sent. */
  close(): void {
    if (this.#listener !== undefined) {
      this.reactor.remove(this.#listener.fd);
      libc.close(this.#listener.fd);
      this.#listener = undefined;
    }
    for (const connection of this.#connections) connection.close();
  }

  #accept(listener: Listener): void {
    try {
      for (let fd; (fd = accept(listener.fd)) !== undefined;) this.#welcome(fd);
    } catch (error) {
      // Out of descriptors: those who wait are taken when some are free again.
      this.log.error("cannot accept", { what: String(error) });
      this.reactor.remove(listener.fd);
      setTimeout(() => {
        if (this.#listener === listener) {
          this.reactor.add(listener.fd, READABLE, () => this.#accept(listener));
        }
      }, ACCEPT_RETRY_MS);
    }
  }

  #welcome(fd: number): void {
    const { reactor, service, limits } = this;
    const connection = new Connection(fd, reactor, service, limits, this.#buffer, () => {
      this.#connections.delete(connection);
    });
    if (this.#connections.size >= limits.connections) {
      connection.refuse("LimitExceeded", { what: "connections", limit: limits.connections });
    } else this.#connections.add(connection);
  }
}

/** A call's place in the order of replies. */
interface Slot {
  readonly request: Request;
  readonly oneway: boolean;
  begun: boolean;
  done: boolean;
  held: Uint8Array<ArrayBuffer>[];
  stop?: () => void;
}

class Connection {
  readonly #peer: Peer;
  readonly #splitter: Splitter;
  #slots: Slot[] = [];
  #unparsed: Uint8Array[] = [];
  #out: Uint8Array<ArrayBuffer>[] = [];
  #outBytes = 0;
  #flushQueued = false;
  #parseQueued = false;
  #interest = READABLE;
  /** performance.now() at which others have their turn; undefined before the first call of a slice. */
  #sliceEndMs?: number;
  #ending = false;
  #closed = false;
  #whenRead: (() => void)[] = [];

  constructor(
    private readonly fd: number,
    private readonly reactor: Reactor,
    private readonly service: Service,
    private readonly limits: Limits,
    private readonly buffer: Uint8Array<ArrayBuffer>,
    private readonly onClose: () => void,
  ) {
    this.#peer = peerOf(fd);
    this.#splitter = new Splitter(limits.message);
    reactor.add(fd, READABLE, (events) => this.#ready(events));
  }

  /** Sends what is owed, as far as the peer takes it now, and closes. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    if (this.#closed) return;
    this.#closed = true;
    this.reactor.remove(this.fd);
    libc.close(this.fd);
    this.onClose();
    for (const slot of this.#slots) if (slot.begun && !slot.done) slot.stop?.();
    this.#slots = [];
  }

  /** Says why and closes: the peer's next bytes could not be understood. */
  refuse(error: string, parameters: object): void {
    this.#ending = true;
    this.#unparsed = [];
    const refusal = { method: "", parameters: {}, more: false };
    const slot = { request: refusal, oneway: false, begun: true, done: true };
    this.#slots.push({
      ...slot,
      held: [encodeMessage({ error: `${INTERFACE_NAME}.${error}`, parameters })],
    });
    this.#begin();
    this.#advance();
  }

  #ready(events: number): void {
    if (events & WRITABLE) this.#flush();
    if (this.#closed) return;
    if (!this.#isPaused()) this.#read();
    else if (events & BROKEN) this.#drop();
  }

  #read(): void {
    const count = receive(this.fd, this.buffer);
    if (count === undefined) return;
    if (count === "end") return this.#endInput();
    try {
      this.#unparsed.push(...this.#splitter.push(this.buffer.subarray(0, count)));
    } catch (error) {
      if (!(error instanceof MessageTooLong)) throw error;
      this.#unparsed.push(...error.complete);
      this.#parse();
      return this.refuse("LimitExceeded", { what: "message bytes", limit: this.limits.message });
    }
    this.#parse();
  }

  /** The peer sends no more, and may still wait for what it is owed. */
  #endInput(): void {
    this.#ending = true;
    if (this.#slots.length === 0 && this.#outBytes === 0) this.close();
    else this.#watch();
  }

  #drop(): void {
    this.#out = [];
    this.#outBytes = 0;
    this.close();
  }

  /** Parses as many messages as may be in flight, begins what may begin. */
  #parse(): void {
    let taken = 0;
    while (taken < this.#unparsed.length && this.#slots.length < this.limits.calls) {
      const parsed = parseCall(this.#unparsed[taken++]!);
      if (typeof parsed === "string") return this.refuse("MalformedMessage", { message: parsed });
      this.#slots.push({ ...parsed, begun: false, done: false, held: [] });
    }
    this.#unparsed.splice(0, taken);
    this.#begin();
    this.#watch();
  }

  #begin(): void {
    for (let i = 0; i < this.#slots.length && !this.#closed; i++) {
      const slot = this.#slots[i]!;
      const overlaps = this.service.mayOverlap(slot.request.method);
      if (i > 0 && !overlaps) return;
      if (!slot.begun) {
        if (!this.#mayBegin(overlaps)) return;
        slot.begun = true;
        this.service.handle(this.#call(slot));
        if (slot.done && i === 0) i = -1; // it has been answered and has left the list
      }
      if (!overlaps) return;
    }
  }

  /**
   * Not while the peer has too much to read, nor when it has had its slice of time: then its calls go
   * on after a turn of the event loop, which microtasks alone would hold up. What overlaps shares one
   * commit and is not cut apart.
   */
  #mayBegin(overlaps: boolean): boolean {
    if (this.#isFull()) return false;
    if (overlaps) return true;
    const nowMs = performance.now();
    if (this.#sliceEndMs === undefined) {
      this.#sliceEndMs = nowMs + SLICE_MS;
      setImmediate(() => {
        this.#sliceEndMs = undefined;
        if (!this.#closed) this.#parse();
      });
    }
    return nowMs < this.#sliceEndMs;
  }

  #call(slot: Slot): Call {
    const answer = (message: object, done: boolean) => {
      if (this.#closed || slot.done) return;
      slot.done = done;
      if (!slot.oneway) slot.held.push(encodeMessage(message));
      if (this.#slots[0] === slot) this.#advance();
    };
    const isFull = () => this.#isFull();
    return {
      ...slot.request,
      peer: this.#peer,
      reply: (parameters, { continues } = { continues: false }) =>
        answer(continues ? { parameters, continues } : { parameters }, !continues),
      fail: (error, parameters) => answer({ error, parameters }, true),
      get isFull() {
        return isFull();
      },
      whenRead: (go) => this.#whenRead.push(go),
      onGone: (stop) => slot.stop = stop,
    };
  }

  /** Sends what the first calls have been answered with, and begins those that waited for them. */
  #advance(): void {
    let answered = 0;
    for (const slot of this.#slots) {
      for (const message of slot.held.splice(0)) this.#send(message);
      if (!slot.done) break;
      answered++;
    }
    if (answered === 0) return;
    this.#slots.splice(0, answered);
    this.#parseSoon();
  }

  #parseSoon(): void {
    if (this.#parseQueued) return;
    this.#parseQueued = true;
    queueMicrotask(() => {
      this.#parseQueued = false;
      if (!this.#closed) this.#parse();
    });
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushQueued = false;
    if (this.#closed || this.#outBytes === 0) return;
    while (this.#outBytes > 0) {
      const bytes = this.#nextOut();
      const sent = send(this.fd, bytes);
      if (sent === "end") return this.#drop();
      this.#outBytes -= sent;
      if (sent === bytes.length) continue;
      this.#out.unshift(bytes.subarray(sent));
      break;
    }
    if (this.#ending && this.#outBytes === 0 && this.#slots.length === 0) return this.close();
    this.#watch();
    if (this.#isFull()) return;
    for (const go of this.#whenRead.splice(0)) go();
    if (this.#slots.length > 0) this.#parseSoon();
  }

  /** The messages that come next, as many as are sent together. */
  #nextOut(): Uint8Array<ArrayBuffer> {
    let count = 0, length = 0;
    for (const { length: bytes } of this.#out) {
      if (count > 0 && length + bytes > WRITE_BYTES) break;
      count++;
      length += bytes;
    }
    const next = this.#out.splice(0, count);
    return count === 1 ? next[0]! : Buffer.concat(next, length);
  }

  #isFull(): boolean {
    return this.#outBytes > this.limits.unread;
  }

  #isPaused(): boolean {
    return this.#ending || this.#isFull() || this.#unparsed.length > 0;
  }

  #watch(): void {
    if (this.#closed) return;
    const interest = (this.#isPaused() ? 0 : READABLE) | (this.#outBytes > 0 ? WRITABLE : 0);
    if (interest === this.#interest) return;
    this.#interest = interest;
    this.reactor.change(this.fd, interest);
  }
}
