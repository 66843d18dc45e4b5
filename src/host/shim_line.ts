/** Lines to shims: each a socket over which one shim tells what it does, read until it closes. */

import type { HearShim } from "../ports.ts";
import { libc } from "./libc.ts";
import { type Reactor, READABLE } from "./reactor.ts";
import { NEWS_BYTES, parseNews } from "./shim_news.ts";
import { receive } from "./unix_socket.ts";

export class ShimLines {
  readonly bytes = new Uint8Array(NEWS_BYTES);
  readonly view = new DataView(this.bytes.buffer);

  constructor(private readonly reactor: Reactor) {}

  /** Takes the descriptor over, and closes it in the end. Throws when it cannot be watched. */
  open(fd: number, hear: HearShim): void {
    this.reactor.add(fd, READABLE, () => this.read(fd, hear));
  }

  /** Hears what has been told, and at its end that nothing more will be. */
  read(fd: number, hear: HearShim): void {
    for (;;) {
      const length = receive(fd, this.bytes);
      if (length === undefined) return;
      if (length === "end") {
        this.close(fd);
        return hear({ kind: "silent" });
      }
      const news = parseNews(this.view, this.bytes, length);
      if (news) hear(news);
    }
  }

  close(fd: number): void {
    this.reactor.remove(fd);
    libc.close(fd);
  }
}
