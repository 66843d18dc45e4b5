/** When to look at which job again: one timer for the earliest, none when nobody waits. */

import type { Clock } from "../ports.ts";

/** A timer this long is set again; the runtime's own end at 2^31 ms. */
const LONGEST_MS = 3_600_000;

export class Wakes {
  #at = new Map<number, number>();
  #disarm = () => {};
  #timerAtMs = Infinity;

  constructor(private readonly clock: Clock, private readonly due: (ids: number[]) => void) {}

  /** `atMs`: ms since boot; undefined for never. */
  set(id: number, atMs: number | undefined): void {
    if (atMs === undefined) {
      this.#at.delete(id);
      return;
    }
    this.#at.set(id, atMs);
    if (atMs < this.#timerAtMs) this.#arm(atMs);
  }

  clear(): void {
    this.#disarm();
    this.#at.clear();
    this.#timerAtMs = Infinity;
  }

  #arm(atMs: number): void {
    this.#disarm();
    this.#timerAtMs = atMs;
    const delay = Math.min(LONGEST_MS, Math.max(1, Math.ceil(atMs - this.clock.bootMs())));
    this.#disarm = this.clock.after(delay, () => this.#ring());
  }

  #ring(): void {
    const now = this.clock.bootMs();
    const due: number[] = [];
    let next = Infinity;
    for (const [id, atMs] of this.#at) {
      if (atMs <= now) due.push(id);
      else next = Math.min(next, atMs);
    }
    for (const id of due) this.#at.delete(id);
    this.#timerAtMs = Infinity;
    if (next < Infinity) this.#arm(next);
    if (due.length > 0) this.due(due);
  }
}
