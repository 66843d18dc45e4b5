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
const ACCEPT_RETRY_MS = 100;

export class Server {
  readonly #connections = new Set<Connection>();
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #turns: Turns;
  #listener?: Listener;

  constructor(
    private readonly reactor: Reactor,
    private readonly service: Service,
    private readonly limits: Limits,
    private readonly log: Log,
  ) {
    this.#turns = new Turns((error) => log.error("failed", { what: String(error) }));
  }

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
    const shared = { reactor, service, limits, turns: this.#turns, buffer: this.#buffer };
    const connection = new Connection(fd, shared, () => this.#connections.delete(connection));
    if (this.#connections.size >= limits.connections) {
      connection.refuse("LimitExceeded", { what: "connections", limit: limits.connections });
    } else this.#connections.add(connection);
  }
}
