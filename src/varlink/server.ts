/**
 * The control socket: who may connect, how many, and that they take turns. What the methods do is the
 * service's matter. A peer is known by what the kernel says of it.
 */

import { libc } from "../host/libc.ts";
import { type Reactor, READABLE } from "../host/reactor.ts";
import { accept, type Listener, listenUnix } from "../host/unix_socket.ts";
import type { Log } from "../job/log.ts";
import { Connection, type Limits, type Service } from "./connection.ts";
import { Turns } from "./turns.ts";

const READ_BYTES = 65536;
const ACCEPT_RETRY_MS = 100, QUIET_MS = 5000;
/** Of those who wait at once: who is connected already is heard in between. */
const ACCEPTS_A_TURN = 64;

export class Server {
  readonly #connections = new Set<Connection>();
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #turns: Turns;
  #listener?: Listener;
  /** Times that nobody could be accepted, since it was told. */
  #refusals = 0;
  #over?: number;

  constructor(
    private readonly reactor: Reactor,
    private readonly service: Service,
    private readonly limits: Limits,
    private readonly log: Log,
  ) {
    this.#turns = new Turns((error) => log.error("failed", { what: String(error) }));
  }

  /** In place of where it has listened before, if it has: who waits there is welcome. Throws SystemError. */
  listen(path: string): void {
    const listener = listenUnix(path);
    const before = this.#listener;
    this.#listener = listener;
    this.#watch(listener);
    if (before === undefined) return;
    this.#accept(before, Infinity);
    this.#leave(before);
  }

  /** Whether clients that look for the socket come here. */
  isReachable(): boolean {
    return this.#listener?.isReachable() ?? false;
  }

  /** Before it is closed for good: nobody more is led here. */
  removeSocket(): void {
    this.#listener?.removePath();
  }

  /** Accepts nobody more and lets go of everybody, once what they are owed has been sent. */
  close(): void {
    this.#tellOver();
    if (this.#listener !== undefined) {
      this.#leave(this.#listener);
      this.#listener = undefined;
    }
    for (const connection of this.#connections) connection.close();
  }

  #watch(listener: Listener): void {
    this.reactor.add(listener.fd, READABLE, () => this.#accept(listener, ACCEPTS_A_TURN));
  }

  #leave(listener: Listener): void {
    this.reactor.remove(listener.fd);
    libc.close(listener.fd);
  }

  #accept(listener: Listener, most: number): void {
    try {
      for (let count = 0; count < most; count++) {
        const fd = accept(listener.fd);
        if (fd === undefined) break;
        this.#welcome(fd);
      }
      this.#noteAccepting();
    } catch (error) {
      this.#noteRefusal(String(error));
      this.reactor.remove(listener.fd);
      setTimeout(() => {
        if (this.#listener === listener) this.#watch(listener);
      }, ACCEPT_RETRY_MS);
    }
  }

  /** As for want of descriptors: those who wait are taken when some are free again. */
  #noteRefusal(what: string): void {
    clearTimeout(this.#over);
    this.#over = undefined;
    if (this.#refusals++ > 0) return;
    this.log.error("cannot accept", { what, doing: "those who connect wait" });
  }

  /** It is over when all who came for a while could be taken. */
  #noteAccepting(): void {
    if (this.#refusals > 0) this.#over ??= setTimeout(() => this.#tellOver(), QUIET_MS);
  }

  #tellOver(): void {
    clearTimeout(this.#over);
    this.#over = undefined;
    if (this.#refusals > 0) this.log.info("accepts again", { failures: this.#refusals });
    this.#refusals = 0;
  }

  /** Throws SystemError; the connection is closed then. */
  #welcome(fd: number): void {
    const { reactor, service, limits } = this;
    const shared = { reactor, service, limits, turns: this.#turns, buffer: this.#buffer };
    let connection: Connection;
    try {
      connection = new Connection(fd, shared, () => this.#connections.delete(connection));
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    if (this.#connections.size >= limits.connections) {
      connection.refuse("LimitExceeded", { what: "connections", limit: limits.connections });
    } else this.#connections.add(connection);
  }
}
