/** How long the last turns have taken: what a health check and people are told of it. */

interface Turn {
  /** ms before the commit */
  readonly workedMs: number;
  /** ms since boot, when the commit began */
  readonly decidedMs: number;
}

/** ms; work: what others waited for a turn's work at most; commit: for its fsync. */
export interface Latency {
  readonly workMs: number;
  readonly commitMs: number;
}

/** So many turns are remembered. */
const LAST = 100;

export class TurnTimes {
  #last: Latency[] = [];

  note({ workedMs, decidedMs }: Turn, committedMs: number, endedMs: number): void {
    const workMs = workedMs + endedMs - committedMs;
    this.#last.push({ workMs, commitMs: committedMs - decidedMs });
    if (this.#last.length > LAST) this.#last.shift();
  }

  /** The longest among the last turns. */
  get worst(): Latency {
    return {
      workMs: Math.max(0, ...this.#last.map(({ workMs }) => workMs)),
      commitMs: Math.max(0, ...this.#last.map(({ commitMs }) => commitMs)),
    };
  }
}
