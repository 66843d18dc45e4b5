/**
 * Has shims started by a keeper, which it opens when it first needs one, and anew when that has ended or
 * does not answer. A start is a message: nothing here waits for what becomes of it.
 *
 * Contract: dying before a message is sent, or with it unread, leaves STARTING without a claim, which
 * is fenced and queued again; dying after leaves a shim or none, and its claim tells.
 */

import type { Log } from "../job/log.ts";
import type { Clock, HearShim, Keeper, ShimNews, Shims, ShimStart } from "../ports.ts";

export interface StartsParts {
  readonly clock: Clock;
  readonly shims: Shims;
  readonly log: Log;
  /** A keeper has ended that had started nothing: another at once would do no better. */
  readonly onUseless: (why: string) => void;
  /** What was under way is so no more: others may take its place. */
  readonly onRoom: () => void;
}

interface Start {
  readonly start: ShimStart;
  readonly hear: HearShim;
}

/** A keeper answers within a millisecond; one that has not for so long is stopped, or hangs. */
const SILENT_MS = 5000;

export class Starts {
  #keeper?: Keeper;
  /** Those that the keeper could not take yet. */
  #waiting: Start[] = [];
  /** Of each start that the keeper has not answered, when it was sent, ms since boot. */
  readonly #unanswered = new Map<Start, number>();
  /** Whether the keeper has answered a start. */
  #isProven = false;
  #isWatching = false;
  #isStopped = false;

  constructor(private readonly parts: StartsParts) {}

  /** Starts that have been asked for and that no keeper has answered. */
  get underWay(): number {
    return this.#waiting.length + this.#unanswered.size;
  }

  /** Has a keeper there before the first job needs it. One that cannot be had is told when it is needed. */
  begin(): void {
    if (!this.#keeper) this.#open();
  }

  start(start: ShimStart, hear: HearShim): void {
    this.#waiting.push({ start, hear });
    if (this.#waiting.length === 1) this.#send();
  }

  /** An attempt is over that may not have been sent yet: its shim could only find that out. */
  forget(id: number): void {
    this.#waiting = this.#waiting.filter(({ start }) => start.id !== id);
  }

  /** Sends nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
  }

  #send(): void {
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const keeper = this.#keeper ?? this.#open();
      if (!keeper) return;
      const next = this.#waiting[0]!;
      const heard = (news: ShimNews) => {
        if (news.kind !== "silent") this.#isProven = true;
        this.#unanswered.delete(next);
        next.hear(news);
      };
      switch (keeper.start(next.start, heard)) {
        case "busy":
          keeper.whenWritable(() => this.#send());
          return this.#watch();
        case "gone":
          this.#lose(keeper);
          break;
        case "sent":
          this.#waiting.shift();
          this.#unanswered.set(next, this.parts.clock.bootMs());
          this.#watch();
      }
    }
  }

  /** Undefined when the node cannot: what waits is told so. */
  #open(): Keeper | undefined {
    try {
      const keeper: Keeper = this.parts.shims.openKeeper(() => this.#lose(keeper));
      this.#isProven = false;
      return this.#keeper = keeper;
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #refuse(why: string): void {
    const refusal = { why, by: "node" } as const;
    for (const { hear } of this.#waiting.splice(0)) hear({ kind: "notForked", refusal });
  }

  /** What it has not read is told by the lines of those starts, which are closed. */
  #lose(keeper: Keeper): void {
    if (this.#keeper !== keeper || this.#isStopped) return;
    const { log, onUseless, onRoom } = this.parts;
    const wasNeeded = this.underWay > 0;
    this.#keeper = undefined;
    this.#unanswered.clear();
    onRoom();
    log.warn("the keeper has ended", { pid: keeper.pid, doing: "starting another" });
    if (!wasNeeded || this.#isProven) return this.#send();
    const why = `its keeper, pid ${keeper.pid}, has ended before it started anything`;
    onUseless(why);
    this.#refuse(why);
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock, log } = this.parts;
    const since = clock.bootMs();
    clock.after(SILENT_MS, () => {
      this.#isWatching = false;
      const keeper = this.#keeper;
      if (!keeper || this.#isStopped || this.underWay === 0) return;
      const oldest = Math.min(...this.#unanswered.values());
      const isSilent = oldest <= since || this.#unanswered.size === 0;
      if (!isSilent) return this.#watch();
      log.warn("the keeper does not answer", { pid: keeper.pid, doing: "killing it" });
      keeper.kill();
      this.#lose(keeper);
    });
  }
}
