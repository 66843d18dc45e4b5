/**
 * What is told of one attempt, on its way to one life of the supervisor. Each message may be lost or
 * late; of those that arrive none overtakes another. What is told to a supervisor that has died goes
 * nowhere.
 */

import type { HearShim, ShimNews } from "../../src/ports.ts";
import type { Life, World } from "./world.ts";

const LATE_MS = 10_000;

export class Line {
  #waiting: ShimNews[] = [];
  #isClosed = false;
  #hear?: HearShim;
  #isOnItsWay = false;

  /** `greet`: who hears a shim that reaches us by itself, once it has said who it is. */
  constructor(
    private readonly world: World,
    private readonly life: Life,
    private readonly name: string,
    private readonly listener: { hear: HearShim } | { greet: () => HearShim | undefined },
  ) {
    if ("hear" in listener) this.#hear = listener.hear;
  }

  tell(news: ShimNews): void {
    if (this.#isClosed || this.world.isLost()) return;
    this.#waiting.push(news);
    this.#bring();
  }

  /** Nothing more will come. */
  close(): void {
    this.tell({ kind: "silent" });
    this.#isClosed = true;
  }

  /** One message after the other: between two of them other things happen. */
  #bring(): void {
    if (this.#isOnItsWay || this.#waiting.length === 0) return;
    this.#isOnItsWay = true;
    const { world, life } = this;
    const lateMs = world.lateMs(LATE_MS);
    const arrive = () => {
      this.#isOnItsWay = false;
      const news = this.#waiting.shift()!;
      this.#hear ??= "greet" in this.listener ? this.listener.greet() : undefined;
      if (!this.#hear) {
        this.#isClosed = true;
        this.#waiting = [];
        return;
      }
      world.tell(`told of ${this.name} ${JSON.stringify(news)}`);
      this.#hear(news);
      this.#bring();
    };
    if (lateMs > 0) world.after(life, lateMs, arrive);
    else world.event(life, arrive);
  }
}
