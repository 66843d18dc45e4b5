/**
 * One client: messages in and out, replies in the order of the calls. Memory is bounded: a peer that
 * does not read its replies is neither read from nor served on, and its calls take turns with others'.
 */

import { Buffer } from "node:buffer";
import { libc } from "../host/libc.ts";
import { BROKEN, type Reactor, READABLE, WRITABLE } from "../host/reactor.ts";
import { type Peer, peerOf, receive, send } from "../host/unix_socket.ts";
import { parseCall, type Request } from "./call.ts";
import { encodeMessage, MessageTooLong, Splitter } from "./framing.ts";
import { INTERFACE_NAME } from "./interface.ts";
import type { Turns } from "./turns.ts";
import { isBlank, UNENDED, wrongBeginning, wrongSoFar } from "./unfinished.ts";

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
  /** Whether the peer must read first. */
  readonly isFull: boolean;
  /** Whether it is full, or others have their turn: then `whenFree` calls back after that. */
  readonly mustPause: boolean;
  whenFree(go: () => void): void;
  /** Called once when the peer is gone before the call is answered. */
  onGone(stop: () => void): void;
}

/** Calls in a row that `mayOverlap` are begun together; any other waits until those before it are answered. */
export interface Service {
  handle(call: Call): void;
  mayOverlap(method: string): boolean;
}

/** After so long a silence, whoever has sent a whole object means to be answered. */
const SILENCE_MS = 1000;

/** Messages are sent together up to so many bytes. */
const WRITE_BYTES = 1 << 18;

/** A call's place in the order of replies. */
interface Slot {
  readonly request: Request;
  readonly oneway: boolean;
  readonly bytes: number;
  begun: boolean;
  done: boolean;
  held: Uint8Array<ArrayBuffer>[];
  stop?: () => void;
}

/** What all connections of a server share. */
export interface Shared {
  readonly reactor: Reactor;
  readonly service: Service;
  readonly limits: Limits;
  readonly turns: Turns;
  readonly buffer: Uint8Array<ArrayBuffer>;
}

export class Connection {
  readonly #peer: Peer;
  readonly #splitter: Splitter;
  #slots: Slot[] = [];
  #slotBytes = 0;
  #unparsed: Uint8Array[] = [];
  /** Why no more can be read: told after all that came before it has been answered. */
  #lost?: { readonly error: string; readonly parameters: object };
  /** Runs while a message has begun, has not ended, and nothing keeps the rest of it from coming. */
  #silence?: number;
  #out: Uint8Array<ArrayBuffer>[] = [];
  #outBytes = 0;
  #flushQueued = false;
  #goOnQueued = false;
  #interest = READABLE;
  #ending = false;
  #closed = false;
  #isGone = false;
  #whenFree: (() => void)[] = [];
  readonly #turn = () => {
    this.#goOn();
    if (this.#isGone && !this.shared.turns.isWaiting(this.#turn)) this.#drop();
  };

  constructor(
    private readonly fd: number,
    private readonly shared: Shared,
    private readonly onClose: () => void,
  ) {
    this.#peer = peerOf(fd);
    this.#splitter = new Splitter(shared.limits.message);
    shared.reactor.add(fd, READABLE, (events) => this.#ready(events));
  }

  /** Sends what is owed, as far as the peer takes it now, and closes. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#silence);
    this.shared.turns.forget(this.#turn);
    this.shared.reactor.remove(this.fd);
    libc.close(this.fd);
    this.onClose();
    for (const slot of this.#slots) if (slot.begun && !slot.done) slot.stop?.();
    this.#slots = [];
  }

  /** Says why and closes: the peer's next bytes could not be understood. */
  refuse(error: string, parameters: object): void {
    this.#ending = true;
    this.#unparsed = [];
    this.#lost = undefined;
    const refusal = { method: "", parameters: {}, more: false };
    const slot = { request: refusal, oneway: false, bytes: 0, begun: true, done: true };
    this.#slots.push({
      ...slot,
      held: [encodeMessage({ error: `${INTERFACE_NAME}.${error}`, parameters })],
    });
    this.#begin();
    this.#advance();
    this.#watch();
  }

  #ready(events: number): void {
    if (events & WRITABLE) this.#flush();
    if (this.#closed) return;
    if (!this.#isPaused()) this.#read();
    else if (events & BROKEN) this.#hangUp();
  }

  /** Whether there was anything to read. */
  #read(): boolean {
    const count = receive(this.fd, this.shared.buffer);
    if (count === undefined) return false;
    if (count === "end") this.#endInput();
    else this.#take(count);
    return true;
  }

  #take(count: number): void {
    try {
      this.#unparsed.push(...this.#splitter.push(this.shared.buffer.subarray(0, count)));
    } catch (error) {
      if (!(error instanceof MessageTooLong)) throw error;
      this.#unparsed.push(...error.complete);
      const { maxBytes: limit } = error;
      this.#lost = { error: "LimitExceeded", parameters: { what: "message bytes", limit } };
    }
    const message = wrongBeginning(this.#splitter.pending);
    if (message !== undefined) this.#lost = { error: "MalformedMessage", parameters: { message } };
    this.#parse();
    this.#awaitRest();
  }

  #awaitRest(): void {
    clearTimeout(this.#silence);
    if (this.#closed || this.#isPaused() || this.#splitter.pending.length === 0) return;
    this.#silence = setTimeout(() => {
      // A busy supervisor may come to its timers before it comes to what was sent.
      if (this.#isPaused() || this.#read()) return;
      const message = wrongSoFar(this.#splitter.pending);
      if (message !== undefined) this.refuse("MalformedMessage", { message });
    }, SILENCE_MS);
  }

  /** The peer sends no more, and may still wait for what it is owed. */
  #endInput(): void {
    this.#ending = true;
    if (!isBlank(this.#splitter.pending)) this.refuse("MalformedMessage", { message: UNENDED });
    else if (this.#slots.length === 0 && this.#outBytes === 0) this.close();
    else this.#watch();
  }

  /** What it has asked for is still begun while it waits for its turn: it may want no answer. */
  #hangUp(): void {
    if (!this.shared.turns.isWaiting(this.#turn)) return this.#drop();
    this.#isGone = true;
    this.shared.reactor.remove(this.fd);
  }

  #drop(): void {
    this.#out = [];
    this.#outBytes = 0;
    this.close();
  }

  /** Goes on with what had to pause, and with the next calls. */
  #goOn(): void {
    if (this.#closed) return;
    if (this.#whenFree.length > 0 && this.#mayRun()) {
      for (const go of this.#whenFree.splice(0)) go();
    }
    this.#parse();
    const isDone = this.#ending && this.#unparsed.length + this.#slots.length === 0;
    if (isDone && this.#outBytes === 0) this.close();
  }

  /** Parses as many messages as may be in flight, begins what may begin. */
  #parse(): void {
    const { calls, message } = this.shared.limits;
    let taken = 0;
    while (taken < this.#unparsed.length) {
      if (this.#slots.length >= calls || this.#slotBytes >= message) break;
      const bytes = this.#unparsed[taken++]!;
      const parsed = parseCall(bytes);
      if (typeof parsed === "string") return this.refuse("MalformedMessage", { message: parsed });
      const { length } = bytes;
      this.#slots.push({ ...parsed, bytes: length, begun: false, done: false, held: [] });
      this.#slotBytes += length;
    }
    this.#unparsed.splice(0, taken);
    if (this.#lost && this.#unparsed.length === 0) {
      const { error, parameters } = this.#lost;
      return this.refuse(error, parameters);
    }
    this.#begin();
    this.#watch();
  }

  #begin(): void {
    for (let i = 0; i < this.#slots.length && !this.#closed; i++) {
      const slot = this.#slots[i]!;
      const overlaps = this.shared.service.mayOverlap(slot.request.method);
      if (i > 0 && !overlaps) return;
      if (!slot.begun) {
        // What overlaps shares one commit and is not cut apart.
        if (overlaps ? this.#isFull() : !this.#mayRun()) return;
        slot.begun = true;
        this.shared.service.handle(this.#call(slot));
        if (slot.done && i === 0) i = -1; // it has been answered and has left the list
      }
      if (!overlaps) return;
    }
  }

  #call(slot: Slot): Call {
    const answer = (message: object, done: boolean) => {
      if (this.#closed || slot.done) return;
      slot.done = done;
      if (!slot.oneway) slot.held.push(encodeMessage(message));
      if (this.#slots[0] === slot) this.#advance();
    };
    const isFull = () => this.#isFull();
    const mustPause = () => !this.#mayRun();
    return {
      ...slot.request,
      peer: this.#peer,
      reply: (parameters, { continues } = { continues: false }) =>
        answer(continues ? { parameters, continues } : { parameters }, !continues),
      fail: (error, parameters) => answer({ error, parameters }, true),
      get isFull() {
        return isFull();
      },
      get mustPause() {
        return mustPause();
      },
      whenFree: (go) => this.#whenFree.push(go),
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
    for (const { bytes } of this.#slots.splice(0, answered)) this.#slotBytes -= bytes;
    this.#goOnSoon();
  }

  #goOnSoon(): void {
    if (this.#goOnQueued) return;
    this.#goOnQueued = true;
    queueMicrotask(() => {
      this.#goOnQueued = false;
      this.#goOn();
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
    const hasMore = this.#whenFree.length > 0 || this.#slots.length > 0;
    if (hasMore && !this.#isFull()) this.#goOnSoon();
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

  /** Not while the peer has too much to read, nor when it is another's turn: `#turn` follows then. */
  #mayRun(): boolean {
    return !this.#isFull() && this.shared.turns.mayRun(this.#turn);
  }

  #isFull(): boolean {
    return this.#outBytes > this.shared.limits.unread;
  }

  #isPaused(): boolean {
    return this.#ending || this.#isFull() || !!this.#lost || this.#unparsed.length > 0;
  }

  #watch(): void {
    if (this.#closed || this.#isGone) return;
    const interest = (this.#isPaused() ? 0 : READABLE) | (this.#outBytes > 0 ? WRITABLE : 0);
    if (interest === this.#interest) return;
    this.#interest = interest;
    this.shared.reactor.change(this.fd, interest);
    this.#awaitRest();
  }
}
