/** How long to wait before trying again what the machine has refused: twice as long each time. Pure. */

const FIRST_MS = 100, LAST_MS = 10_000;

/** ms; `beforeMs`: the wait before the last try, if there was one. */
export function nextRetryMs(beforeMs = FIRST_MS / 2): number {
  return Math.min(LAST_MS, beforeMs * 2);
}
