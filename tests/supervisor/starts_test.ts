/** Starts and their keepers: one that ends, does not answer, or is of no use. */

import { assertEquals } from "../assert.ts";
import type { Log } from "../../src/job/log.ts";
import type { Clock, HearShim, Keeper, ShimNews, ShimStart } from "../../src/ports.ts";
import { Starts } from "../../src/supervisor/starts.ts";

const shim = { pid: 7, startTicks: 1 };
const start = (id: number): ShimStart => ({
  id,
  attempt: 1,
  token: "t",
  directory: "/",
  command: ["true"],
  environment: {},
});

/** A node whose keepers do what they are told to, and a clock that is moved by hand. */
class Scene {
  nowMs = 0;
  answer: "sent" | "busy" | "gone" = "sent";
  readonly keepers: { sent: number[]; isKilled: boolean; end: () => void }[] = [];
  readonly hears: HearShim[] = [];
  readonly useless: string[] = [];
  readonly told: string[] = [];
  #timers: { atMs: number; go: () => void }[] = [];
  whenWritable = () => {};
  rooms = 0;

  readonly starts = new Starts({
    clock: {
      bootMs: () => this.nowMs,
      after: (delayMs: number, go: () => void) => {
        this.#timers.push({ atMs: this.nowMs + delayMs, go });
        return () => {};
      },
    } as Clock,
    log: { warn: () => {} } as unknown as Log,
    shims: { openKeeper: (onGone) => this.#open(onGone), listen: () => {} },
    onUseless: (why) => this.useless.push(why),
    onRoom: () => this.rooms++,
  });

  start(id: number): void {
    this.starts.start(start(id), (news: ShimNews) => this.told.push(`${id} ${news.kind}`));
  }

  pass(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { go } of due) go();
  }

  #open(onGone: () => void): Keeper {
    const keeper = { sent: [] as number[], isKilled: false, end: onGone };
    this.keepers.push(keeper);
    return {
      pid: 100 + this.keepers.length,
      start: ({ id }, hear) => {
        if (this.answer !== "sent") return this.answer;
        keeper.sent.push(id);
        this.hears.push(hear);
        return "sent";
      },
      whenWritable: (go) => this.whenWritable = go,
      kill: () => keeper.isKilled = true,
    };
  }
}

Deno.test("a keeper that does not answer for seconds is killed, and the next start has another", () => {
  const scene = new Scene();
  scene.start(1);
  scene.pass(4000);
  assertEquals([scene.keepers[0]!.isKilled, scene.starts.underWay], [false, 1]);
  scene.pass(6000);
  assertEquals([scene.keepers[0]!.isKilled, scene.starts.underWay], [true, 0]);
  assertEquals(scene.rooms, 1, "what waits for room is told of it");
  scene.start(2);
  assertEquals(scene.keepers.map(({ sent }) => sent), [[1], [2]]);
});

Deno.test("one that has answered all is left alone", () => {
  const scene = new Scene();
  scene.start(1);
  scene.hears[0]!({ kind: "forked", shim });
  scene.pass(60_000);
  assertEquals([scene.keepers.length, scene.keepers[0]!.isKilled], [1, false]);
});

Deno.test("what a busy keeper cannot take waits, and goes on when it can", () => {
  const scene = new Scene();
  scene.answer = "busy";
  scene.start(1);
  scene.start(2);
  assertEquals([scene.keepers[0]!.sent, scene.starts.underWay], [[], 2]);
  scene.answer = "sent";
  scene.whenWritable();
  assertEquals(scene.keepers[0]!.sent, [1, 2]);
});

Deno.test("one that ends without having started anything is told, and not replaced at once", () => {
  const scene = new Scene();
  scene.start(1);
  scene.keepers[0]!.end();
  assertEquals([scene.useless.length, scene.keepers.length, scene.starts.underWay], [1, 1, 0]);
  scene.answer = "gone";
  scene.start(2);
  assertEquals([scene.useless.length, scene.told], [2, ["2 notForked"]]);
});

Deno.test("one that ends after it has started something is replaced, and what waits goes to the next", () => {
  const scene = new Scene();
  scene.start(1);
  scene.hears[0]!({ kind: "forked", shim });
  scene.answer = "busy";
  scene.start(2);
  scene.answer = "sent";
  scene.keepers[0]!.end();
  assertEquals([scene.useless, scene.keepers.map(({ sent }) => sent)], [[], [[1], [2]]]);
});

Deno.test("an attempt that is over before it could be sent is not sent, and nothing after the end", () => {
  const scene = new Scene();
  scene.answer = "busy";
  scene.start(1);
  scene.start(2);
  scene.starts.forget(1);
  scene.answer = "sent";
  scene.whenWritable();
  assertEquals(scene.keepers[0]!.sent, [2]);
  scene.starts.stop();
  scene.start(3);
  assertEquals(scene.keepers[0]!.sent, [2]);
});
