/**
 * What is done to the supervisor: kill -9 at any moment, also while it starts; a hand-over by SIGTERM;
 * a replacement in place by SIGHUP. While nobody is there, jobs go on, end, or are killed.
 */

import { until } from "../tests/e2e/home.ts";
import type { Random } from "./random.ts";
import type { Counts } from "./figures.ts";
import type { Harm } from "./harm.ts";
import { sleep, type SoakHome } from "./home.ts";
import { Breach } from "./ledger.ts";

const KINDS = { crash: 6, handOver: 2, replace: 2, crashAtStart: 2, crashes: 1 };

export class Restarts {
  constructor(
    private readonly home: SoakHome,
    private readonly harm: Harm,
    private readonly random: Random,
    private readonly counts: Counts,
  ) {}

  async one(): Promise<void> {
    const kind = this.random.weighted(KINDS);
    switch (kind) {
      case "crash":
        return await this.#away(() => this.#crash());
      case "handOver":
        return await this.#away(() => this.#handOver());
      case "replace":
        return await this.#replace();
      case "crashAtStart":
        await this.#crash();
        for (let left = this.random.between(1, 3); left > 0; left--) {
          this.home.launch();
          await sleep(this.random.between(0, 250));
          await this.#crash();
        }
        return await this.#start();
      case "crashes":
        for (let left = this.random.between(2, 5); left > 0; left--) {
          await this.#crash();
          await this.#start();
        }
    }
  }

  async #away(end: () => Promise<void>): Promise<void> {
    await end();
    if (this.random.oneIn(3)) this.harm.killSome(3);
    if (this.random.oneIn(2)) await sleep(this.random.between(0, 1500));
    await this.#start();
  }

  async #start(): Promise<void> {
    this.counts.add("starts");
    await this.home.start();
  }

  async #crash(): Promise<void> {
    this.counts.add("kill -9");
    await this.#end("SIGKILL");
  }

  async #handOver(): Promise<void> {
    this.counts.add("hand-overs (SIGTERM)");
    const code = await this.#end("SIGTERM");
    if (code !== 0) throw new Breach(`the supervisor ended with ${code} on SIGTERM`);
  }

  async #end(signal: Deno.Signal): Promise<number> {
    try {
      return await this.home.signal(signal);
    } catch (error) {
      throw new Breach(`the supervisor had ended by itself: ${error}; its log: ${this.home.log}`);
    }
  }

  async #replace(): Promise<void> {
    this.counts.add("replacements (SIGHUP)");
    const before = (await this.home.ask("Node", {})).node;
    Deno.kill(this.home.pid, "SIGHUP");
    const after = await until("its successor answers", async () => {
      const { node } = await this.home.ask("Node", {});
      return node.startedAt !== before.startedAt && node;
    });
    if (after.pid !== before.pid) throw new Breach("the replacement has another pid");
  }
}
