/** Lines to shims: each a socket over which one shim tells what it does, read until it closes. */

import type { HearShim } from "../ports.ts";
import { libc } from "./libc.ts";
import { type Reactor, READABLE } from "./reactor.ts";
import { NEWS_BYTES, readNews } from "./shim_news.ts";
import { receive } from "./unix_socket.ts";

export class ShimLines {
  readonly bytes = new Uint8Array(NEWS_BYTES);
  readonly view = new DataView(this.bytes.buffer);

  constructor(private readonly reactor: Reactor) {}

  /** Takes the descriptor over, and closes it in the end. Throws when it cannot be watched. */
  open(fd: number, hear: HearShim): void {
    this.reactor.add(fd, READABLE, () => this.read(fd, hear));
  }

  /** Hears what one message tells. After the last news, or its end, nothing more will be told. */
  read(fd: number, hear: HearShim): void {
    const length = receive(fd, this.bytes);
    if (length === undefined) return;
    let isLast = length === "end";
    const hearOne: HearShim = (news) => {
      isLast ||= news.kind === "empty";
      hear(news);
    };
    try {
      if (length !== "end") readNews(this.view, this.bytes, length, hearOne);
    } finally {
      // Sooner than the shim's end, which would wake us up once more.
      if (isLast) this.#close(fd, hear);
    }
  }

  /** Of which nobody hears any more. */
  drop(fd: number): void {
    this.reactor.remove(fd);
    libc.close(fd);
  }

  #close(fd: number, hear: HearShim): void {
    this.drop(fd);
    hear({ kind: "silent" });
  }
}
