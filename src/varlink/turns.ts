/**
 * Shares the event loop among connections. They run at once while there is time in a round; then they
 * wait in their order, each has its share of the next round, and between two rounds timers, signals
 * and descriptors are let in, which microtasks alone would hold up.
 */

import { setImmediate } from "node:timers";

const ROUND_MS = 10, SHARE_MS = 2;

export class Turns {
  readonly #waiting = new Set<() => void>();
  #roundEndMs?: number;
  #shareEndMs = Infinity;
  #current?: () => void;
  /** However busy the machine is, whoever is called may do one thing. */
  #isFresh = false;

  constructor(private readonly onError: (error: unknown) => void) {}

  /** Whether the one that is called by `again` may do something more now; else `again` is called later. */
  mayRun(again: () => void): boolean {
    const nowMs = performance.now();
    const endMs = this.#roundEndMs ?? this.#beginRound(nowMs);
    if (this.#isFresh && this.#current === again) {
      this.#isFresh = false;
      return true;
    }
    const isItsTurn = this.#current === again || this.#waiting.size === 0;
    if (isItsTurn && nowMs < Math.min(endMs, this.#shareEndMs)) return true;
    this.#waiting.add(again);
    return false;
  }

  isWaiting(again: () => void): boolean {
    return this.#waiting.has(again);
  }

  forget(again: () => void): void {
    this.#waiting.delete(again);
  }

  #beginRound(nowMs: number): number {
    setImmediate(() => this.#nextRound());
    return this.#roundEndMs = nowMs + ROUND_MS;
  }

  #nextRound(): void {
    this.#roundEndMs = undefined;
    if (this.#waiting.size === 0) return;
    const endMs = this.#beginRound(performance.now());
    // Who asks again goes to the end, and may be called again in this round.
    for (const again of this.#waiting) {
      const nowMs = performance.now();
      if (nowMs >= endMs) break;
      this.#waiting.delete(again);
      this.#current = again;
      this.#isFresh = true;
      this.#shareEndMs = nowMs + SHARE_MS;
      try {
        again();
      } catch (error) {
        this.onError(error);
      }
    }
    this.#current = undefined;
    this.#shareEndMs = Infinity;
  }
}
