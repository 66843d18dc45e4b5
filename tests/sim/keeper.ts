/**
 * A simulated keeper: a process that takes starts one at a time from a queue and forks a shim for each.
 * It ends some time after its supervisor has gone, with what is left in the queue done or undone.
 */

import type { HearShim, Keeper, ShimStart } from "../../src/ports.ts";
import type { ExitStatus } from "../../src/job/exit_status.ts";
import type { Process, Waiting } from "./kernel.ts";
import { Line } from "./line.ts";
import { shim } from "./scripts.ts";
import type { Life, World } from "./world.ts";

interface Message {
  readonly start: ShimStart;
  readonly line: Line;
}

const NO_PROCESSES = "Resource temporarily unavailable";

export class SimulatedKeeper implements Keeper {
  readonly #process: Process;
  #queue: Message[] = [];
  /** Taken and not yet forked. */
  #taken?: Message;
  #whenWritable: (() => void)[] = [];

  constructor(
    private readonly world: World,
    private readonly life: Life,
    onGone: () => void,
  ) {
    const { kernel } = world;
    this.#process = kernel.fork({ kind: "keeper", ignoresTerm: true }, life.process);
    this.#process.script = this.#run();
    this.#process.whenEnded.push(() => {
      world.event(life, onGone);
      for (const { line } of [...this.#queue, ...this.#taken ? [this.#taken] : []]) line.close();
    });
    world.tell(`keeper ${this.pid}`);
  }

  get pid(): number {
    return this.#process.pid;
  }

  start(start: ShimStart, hear: HearShim): "sent" | "busy" | "gone" {
    const { world, life } = this;
    return world.call(life, `start ${start.id} by keeper`, () => {
      world.witness.onAsked(start);
      if (this.#process.state !== "alive") return "gone";
      if (this.#queue.length >= world.keeperRoom) return "busy";
      this.#queue.push({
        start,
        line: new Line(world, life, `job ${start.id} attempt ${start.attempt}`, { hear }),
      });
      return "sent";
    });
  }

  whenWritable(go: () => void): void {
    this.world.call(this.life, "whenWritable", () => {
      this.#whenWritable.push(go);
      this.#tellRoom();
    });
  }

  kill(): void {
    const { world, life } = this;
    world.call(life, "kill keeper", () => {
      if (this.#process.state === "alive") world.kernel.end(this.#process, { code: 0, signal: 9 });
    });
  }

  #tellRoom(): void {
    if (this.#process.state !== "alive" || this.#queue.length >= this.world.keeperRoom) return;
    for (const go of this.#whenWritable.splice(0)) this.world.event(this.life, go);
  }

  *#run(): Generator<Waiting, ExitStatus> {
    const { world, life } = this;
    const { kernel } = world;
    const ended = () => kernel.childrenOf(this.#process).filter(({ state }) => state === "zombie");
    for (;;) {
      yield { until: () => this.#queue.length > 0 || ended().length > 0 || life.isDead };
      for (const child of ended()) kernel.reap(child);
      // What was sent before the other end was closed can still be read.
      if (life.isDead && (this.#queue.length === 0 || world.isByChance(2))) break;
      this.#taken = this.#queue.shift();
      if (!this.#taken) continue;
      this.#tellRoom();
      yield { untilMs: kernel.bootMs + world.keeperMs };
      yield* this.#start(this.#taken);
    }
    return { code: 0, signal: 0 };
  }

  *#start({ start, line }: Message): Generator<Waiting, void> {
    const { world } = this;
    const { kernel, disk } = world;
    if (!world.canFork) {
      this.#taken = undefined;
      line.tell({ kind: "notForked", refusal: { why: NO_PROCESSES, by: "node" } });
      return line.close();
    }
    const forked = kernel.fork({ kind: "shim", job: start.id, ignoresTerm: true }, this.#process);
    const { pid, startTicks } = forked;
    // From here on the line is the shim's.
    this.#taken = undefined;
    const ground = {
      kernel,
      disk,
      isHung: () => world.isHung,
      onLeader: (hasName: boolean) => world.witness.onLeader(start.id, hasName),
      onExec: () => {
        world.tell(`job ${start.id} runs`);
        world.witness.onExec(start.id);
      },
      isByChance: (n: number) => world.isByChance(n),
      connect: () => world.connect(start, pid),
    };
    forked.script = shim(ground, forked, start, line);
    world.tell(`job ${start.id} shim ${pid}`);
    line.tell({ kind: "forked", shim: { pid, startTicks } });
    yield {};
  }
}
