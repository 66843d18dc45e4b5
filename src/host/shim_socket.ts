/** The socket in the state directory where shims reach us that another supervisor has started. */

import type { HearShim, Introduction } from "../ports.ts";
import { cString, errno, lastErrno, libc, must, O_CLOEXEC, SystemError } from "./libc.ts";
import { type Reactor, READABLE } from "./reactor.ts";
import type { ShimLines } from "./shim_line.ts";
import { parseIntroduction } from "./shim_news.ts";
import { accept, newPacketSocket, peerOf, receive, unixAddress } from "./unix_socket.ts";

/** As src/keeper/news.c calls it. */
const NAME = "shims.sock";
const O_PATH = 0o10000000;
const BACKLOG = 4096;
const PRIVATE = 0o600;
const ACCEPTS_A_TURN = 64, RETRY_MS = 100;

export type Greet = (who: Introduction) => HearShim | undefined;

export class ShimSocket {
  readonly #uid = Deno.uid();

  constructor(
    private readonly stateDirectory: string,
    private readonly reactor: Reactor,
    private readonly lines: ShimLines,
    private readonly greet: Greet,
  ) {}

  /** In the place of whatever was there: the state directory is ours alone. Throws SystemError. */
  listen(): void {
    const fd = must("socket", newPacketSocket());
    const path = `${this.stateDirectory}/${NAME}`;
    if (libc.unlink(cString(path)) < 0 && lastErrno() !== errno.ENOENT) {
      throw new SystemError(`unlink ${path}`, lastErrno());
    }
    this.#bind(fd);
    Deno.chmodSync(path, PRIVATE);
    must("listen", libc.listen(fd, BACKLOG));
    this.#watch(fd);
  }

  #watch(fd: number): void {
    this.reactor.add(fd, READABLE, () => this.#accept(fd));
  }

  /** A few at a time, so that others are served in between. */
  #accept(fd: number): void {
    try {
      for (let count = 0; count < ACCEPTS_A_TURN; count++) {
        const line = accept(fd);
        if (line === undefined) return;
        this.#welcome(line);
      }
    } catch (error) {
      // As for want of descriptors: those who wait are taken when some are free again.
      this.reactor.remove(fd);
      setTimeout(() => this.#watch(fd), RETRY_MS);
      throw error;
    }
  }

  /** Through a descriptor: the path of a state directory may be too long for an address. */
  #bind(fd: number): void {
    const { stateDirectory } = this;
    const directory = must(
      `open ${stateDirectory}`,
      libc.open(cString(stateDirectory), O_PATH | O_CLOEXEC, 0),
    );
    try {
      const address = unixAddress(cString(`/proc/self/fd/${directory}/${NAME}`));
      must(`bind ${stateDirectory}/${NAME}`, libc.bind(fd, address, address.length));
    } finally {
      libc.close(directory);
    }
  }

  /** Who it is it says first. */
  #welcome(line: number): void {
    const { pid: shimPid, uid } = peerOf(line);
    if (uid !== this.#uid) {
      libc.close(line);
      return;
    }
    this.reactor.add(line, READABLE, () => {
      const { bytes, view } = this.lines;
      const length = receive(line, bytes);
      if (length === undefined) return;
      this.reactor.remove(line);
      const who = length === "end" ? undefined : parseIntroduction(view, bytes, length);
      const hear = who && this.greet({ ...who, shimPid });
      if (!hear) libc.close(line);
      else this.lines.open(line, hear);
    });
  }
}
