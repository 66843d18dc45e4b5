/**
 * Has what a burst of work has taken given back when it is over. It is done once, after half a second
 * in which nothing happened: nothing wakes an idle node, and one that is busy is not slowed down.
 */

import type { Clock } from "../ports.ts";

const CALM_MS = 500;
/** So many events take memory that is worth it. */
const BURST = 2000;

export class Rest {
  #events = 0;
  #lastBootMs = 0;
  #isWaiting = false;

  constructor(private readonly clock: Clock, private readonly giveBack: () => void) {}

  /** So many things have happened. */
  note(events: number): void {
    this.#events += events;
    this.#lastBootMs = this.clock.bootMs();
    if (!this.#isWaiting && this.#events >= BURST) this.#wait(CALM_MS);
  }

  #wait(delayMs: number): void {
    this.#isWaiting = true;
    this.clock.after(delayMs, () => {
      const leftMs = this.#lastBootMs + CALM_MS - this.clock.bootMs();
      if (leftMs > 0) return this.#wait(leftMs);
      this.#isWaiting = false;
      this.#events = 0;
      this.giveBack();
    });
  }
}
