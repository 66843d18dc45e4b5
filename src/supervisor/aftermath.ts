/** What a turn leaves to be done once it is on disk: events to be told, effects to be had. */

import type { EventRecord } from "../store/records.ts";

export class Aftermath {
  #events: EventRecord[] = [];
  #effects: (() => void)[] = [];

  tell(event: EventRecord): void {
    this.#events.push(event);
  }

  /** Has `effect` done after the commit, in the order of the calls. */
  then(effect: () => void): void {
    this.#effects.push(effect);
  }

  /** Everything so far, which is then forgotten: done after a commit, dropped without one. */
  take(): { events: EventRecord[]; effects: (() => void)[] } {
    return { events: this.#events.splice(0), effects: this.#effects.splice(0) };
  }
}
