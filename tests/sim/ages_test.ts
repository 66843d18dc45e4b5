/** What comes with age, on a simulated node whose clocks are told what to show. */

import { assert, assertEquals } from "../assert.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { submit } from "../../src/supervisor/changes/submit.ts";
import { Chance } from "./chance.ts";
import { commandOf, type Plan } from "./scripts.ts";
import { CHECK_MS, NOBODY, RETENTION_MS, World } from "./world.ts";

const HOUR_MS = 3_600_000, DAY_MS = 24 * HOUR_MS;
const PLAN: Plan = {
  lastsMs: 100,
  exit: { code: 0, signal: 0 },
  ignoresTerm: false,
  children: [],
  isMissing: false,
  isRemote: false,
};

/** A node on which jobs end, and which is left to its regular checks. */
class Node {
  readonly #chance = new Chance(1);
  readonly world: World;

  constructor() {
    const witness = { ...NOBODY, onMistake: (what: string) => assert(false, what) };
    this.world = new World(witness, new Chance(1));
    this.world.start();
  }

  /** A job that has ended. */
  endedJob(): number {
    const spec = readSpec({ command: commandOf(PLAN) });
    assert(!isInvalid(spec));
    let id = 0;
    this.world.deliver("submit", ({ supervisor, changes }) => {
      supervisor.request(submit(changes, spec, 0), (answer) => {
        if ("value" in answer) id = answer.value.job.id;
      });
    });
    for (let steps = 0; steps < 1000; steps++) {
      this.world.step(this.#chance);
      if (id > 0 && this.#row(id)?.state === "COMPLETED") return id;
    }
    throw new Error(`job ${id} does not end: ${this.world.trace.join("\n")}`);
  }

  /** Time passes, and then there is a regular check. */
  pass(ms: number): this {
    this.world.sleep(ms);
    for (let check = 0; check < 2; check++) {
      this.world.sleep(CHECK_MS);
      while (!this.world.isIdle) this.world.step(this.#chance);
    }
    return this;
  }

  reboot(): void {
    this.world.reboot();
    this.world.start();
  }

  has(id: number): boolean {
    return this.#row(id) !== undefined && this.world.disk.runIds().includes(id);
  }

  isReleased(id: number): boolean {
    return this.world.life!.changes.journal.job(id)!.released;
  }

  said(pattern: RegExp): boolean {
    return this.world.trace.some((line) => pattern.test(line));
  }

  #row(id: number) {
    return this.world.database.prepare("SELECT * FROM jobs WHERE id = ?").get(id);
  }
}

Deno.test("an allocation that was not released within 48 h after its job's end is released and reported", () => {
  for (const moved of [0, 9 * DAY_MS, -9 * DAY_MS]) {
    const node = new Node();
    const id = node.endedJob();
    node.world.database.exec("UPDATE resource_allocations SET released = 0, released_time = NULL");
    node.world.moveClock(moved);
    const report = new RegExp(`warn released a stale allocation .*"job":${id}`);
    node.pass(47 * HOUR_MS);
    assertEquals([node.isReleased(id), node.said(report)], [false, false], `moved ${moved}`);
    node.pass(HOUR_MS);
    // The retention of a simulated node is over then too.
    const isReleased = !node.has(id) || node.isReleased(id);
    assertEquals([isReleased, node.said(report)], [true, true], `moved ${moved}`);
  }
});

Deno.test("ended jobs and their logs are pruned when they have really been kept long enough", () => {
  for (const moved of [0, 99 * DAY_MS, -99 * DAY_MS]) {
    const node = new Node();
    const id = node.endedJob();
    node.world.moveClock(moved);
    node.pass(RETENTION_MS - HOUR_MS);
    assert(node.has(id), `moved ${moved}: kept`);
    node.pass(HOUR_MS);
    assert(!node.has(id), `moved ${moved}: pruned`);
    assertEquals(node.said(/the wall clock was moved/), moved !== 0);
  }
});

Deno.test("what is old only by a clock that was moved over a reboot is kept for a day, and told", () => {
  const node = new Node();
  const id = node.endedJob();
  node.pass(0);
  node.world.moveClock(99 * DAY_MS);
  node.reboot();
  node.pass(DAY_MS - HOUR_MS);
  assert(node.has(id), "it is kept");
  assert(node.said(/the node was off, or its clock is wrong/), "it is told");
  assert(node.said(/ended jobs that may be old are kept .*"jobs":1/), "and how many");
  node.pass(HOUR_MS);
  assert(!node.has(id), "a day has passed");
});

Deno.test("a job that ended in the future of a wrong clock is pruned as any other", () => {
  const node = new Node();
  const id = node.endedJob();
  node.world.database.exec(`UPDATE jobs SET ended_at = ended_at + ${900 * DAY_MS}`);
  node.pass(0);
  node.pass(RETENTION_MS - HOUR_MS);
  assert(node.has(id), "kept");
  node.pass(HOUR_MS);
  assert(!node.has(id), "pruned");
});
