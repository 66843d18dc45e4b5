/**
 * Keeps the socket where clients look for it. Its directory may be removed, emptied, renamed, or hidden
 * by a mount: then it is made anew, as soon as it can be, while those who are connected stay so.
 */

import { PathWatch } from "../host/path_watch.ts";
import type { Reactor } from "../host/reactor.ts";
import type { SocketClaim } from "../host/socket_claim.ts";
import type { Log } from "../job/log.ts";
import type { Server } from "./server.ts";

/** Whoever removes or makes something there shall have finished. */
const SETTLE_MS = 500;
/** For what no hint tells, as a full disk, or another's socket whose owner has ended. */
const RETRY_MS = 10_000;
/** Where the kernel can tell nothing. */
const POLL_MS = 2000;
const TRIES = 3;

export interface SocketKeeperParts {
  readonly reactor: Reactor;
  readonly server: Server;
  readonly claim: SocketClaim;
  /** Of the socket. */
  readonly directory: string;
  /** Makes it if it is missing. Throws when it cannot, or must not be made yet. */
  readonly makeDirectory: () => void;
  readonly log: Log;
}

export class SocketKeeper {
  readonly #watch: PathWatch;
  #timer?: number;
  #isHinted = false;
  #isStopped = false;
  #told?: string;

  constructor(private readonly parts: SocketKeeperParts) {
    this.#watch = new PathWatch(parts.reactor, parts.directory, () => this.#hint());
  }

  /** Looks now, and from now on whenever something may have changed. */
  look(): void {
    if (this.#isStopped) return;
    let isTold = true;
    for (let tries = 0; tries < TRIES; tries++) {
      isTold = this.#watch.arm();
      if (this.#isInPlace()) {
        this.#told = undefined;
        this.#again(isTold ? undefined : POLL_MS);
        return;
      }
      if (!this.#mend()) break;
    }
    this.#again(isTold ? RETRY_MS : POLL_MS);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#watch.stop();
  }

  #isInPlace(): boolean {
    return this.parts.server.isReachable() && this.parts.claim.isHeld();
  }

  #mend(): boolean {
    const { server, claim, makeDirectory, log } = this.parts;
    const { path: socket } = claim;
    const isReachable = server.isReachable();
    try {
      makeDirectory();
      claim.takeAgain();
      if (isReachable) return true;
      claim.refuseOthers();
      server.listen(socket);
      log.warn("the socket was gone", { socket, doing: "made anew, and clients stay connected" });
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== this.#told) {
        const what = isReachable ? "the socket's lock is gone" : "the socket is gone";
        log.error(what, { socket, why, doing: "made anew as soon as it can be" });
      }
      this.#told = why;
      return false;
    }
  }

  #hint(): void {
    if (this.#isHinted || this.#isStopped) return;
    this.#again(SETTLE_MS);
    this.#isHinted = true;
  }

  #again(delayMs: number | undefined): void {
    clearTimeout(this.#timer);
    this.#isHinted = false;
    if (delayMs !== undefined) this.#timer = setTimeout(() => this.look(), delayMs);
  }
}
