/** The loop on a clock of its own: how long a turn works, in which order, and what is done again. */

import { assertEquals } from "../assert.ts";
import type { Log } from "../../src/job/log.ts";
import type { Clock } from "../../src/ports.ts";
import { openDatabase } from "../../src/store/database.ts";
import { Journal, JournalUnavailable } from "../../src/store/journal.ts";
import { Aftermath } from "../../src/supervisor/aftermath.ts";
import { inParts } from "../../src/supervisor/in_parts.ts";
import { Loop, type LoopParts, TURN_MS, UNFINISHED } from "../../src/supervisor/loop.ts";

/** Time passes only when somebody says that he has used it. */
class Bench {
  nowMs = 1000;
  readonly said: string[] = [];
  readonly aftermath = new Aftermath();
  readonly journal: Journal;
  readonly loop: Loop;
  #queued: (() => void)[] = [];
  /** What lets others in before it comes. */
  #later = new Set<() => void>();
  /** Commits that fail from now on. */
  failing: string[] = [];

  constructor(parts: Partial<LoopParts> = {}) {
    const clock: Clock = {
      wallMs: () => this.nowMs,
      bootMs: () => this.nowMs,
      soon: (go) => this.#queued.push(go),
      after: (_, go) => {
        this.#queued.push(go);
        this.#later.add(go);
        return () => {};
      },
    };
    const open = () => openDatabase(":memory:", undefined);
    this.journal = new Journal({ open, reopen: open, close: () => true }, "node").open();
    const { transact } = this.journal;
    this.journal.transact = (body) =>
      transact.call(this.journal, () => {
        const result = body();
        const failure = this.failing.shift();
        if (failure) throw new JournalUnavailable(failure);
        return result;
      }) as ReturnType<typeof body>;
    const log = Object.fromEntries(
      ["debug", "info", "warn", "error", "alert"].map((name) => [name, () => {}]),
    ) as unknown as Log;
    this.loop = new Loop({
      clock,
      journal: this.journal,
      log,
      aftermath: this.aftermath,
      reconcile: (id) => this.work(`look ${id}`, 3),
      stages: [],
      load: () => this.said.push("load"),
      makeRoom: () => false,
      onAvailable: () => {},
      onTurn: () => this.said.push("--"),
      ...parts,
    });
  }

  work(what: string, ms: number): void {
    this.said.push(what);
    this.nowMs += ms;
  }

  ask(what: string, ms: number): void {
    this.loop.request(() => this.work(what, ms), () => this.said.push(`${what} answered`));
  }

  /** `letIn`: done wherever others are let in. */
  run(letIn = () => {}): string[] {
    for (let go; (go = this.#queued.shift());) {
      if (this.#later.delete(go)) letIn();
      go();
    }
    return this.said.splice(0);
  }
}

Deno.test("requests that would take long are spread over turns, in their order", () => {
  const bench = new Bench();
  for (const name of ["a", "b", "c", "d"]) bench.ask(name, 3);
  assertEquals(
    bench.run().join(" "),
    "a b a answered b answered -- c d c answered d answered --",
  );
});

Deno.test("requests, looks and every stage have a part of each turn, however long the others take", () => {
  let left = 3;
  const bench: Bench = new Bench({
    stages: [
      () => (bench.work("batch", 1), --left > 0),
      (mayGoOn) => (bench.work(`start ${mayGoOn()}`, 0), false),
    ],
  });
  for (const id of [1, 2, 3, 4, 5]) bench.loop.look(id);
  for (const name of ["a", "b"]) bench.ask(name, TURN_MS);
  assertEquals(bench.run().join(" ").replaceAll(/ \w answered/g, "").split(" -- "), [
    "a look 1 batch start false",
    "b look 2 batch start false",
    "look 3 look 4 look 5 batch start false --",
  ]);
});

Deno.test("a look that is asked for while others wait is made once, and lets requests pass", () => {
  const bench = new Bench();
  for (const id of [1, 2, 3, 4]) bench.loop.look(id);
  bench.loop.request(() => bench.loop.look(4), () => {});
  const turns = bench.run().join(" ").split(" -- ");
  assertEquals(turns, ["look 1 look 2 look 3", "look 4 --"]);
});

Deno.test("what is asked for in parts is answered once, behind what others ask for meanwhile", () => {
  const bench = new Bench();
  const parts = inParts(
    bench.aftermath,
    () => ["p1", "p2", "p3"],
    (part) => bench.work(part, 5),
    () => "all",
  );
  bench.loop.request(parts, (answer) => bench.said.push(JSON.stringify(answer)));
  bench.ask("a", 1);
  assertEquals(bench.run().join(" "), 'p1 -- a p2 a answered -- p3 {"value":"all"} --');
});

Deno.test("what the journal has refused for want of room is decided again from the beginning", () => {
  const bench: Bench = new Bench({ makeRoom: () => (bench.said.push("room"), true) });
  bench.failing = ["database or disk is full"];
  const parts = inParts(
    bench.aftermath,
    () => [1, 2],
    (part) => bench.work(`p${part}`, 5),
    () => 0,
  );
  bench.loop.request(parts, () => bench.said.push("done"));
  bench.loop.look(7);
  assertEquals(
    bench.run().join(" "),
    "p1 look 7 room load p1 look 7 -- p2 done --",
  );
});

Deno.test("while the journal cannot be written changes are refused, and the rest goes on", () => {
  const bench = new Bench();
  bench.failing = ["disk I/O error"];
  bench.ask("a", 1);
  const [first, ...others] = bench.run();
  // The retry succeeds at once, since no time has to pass here.
  assertEquals([first, others.includes("a answered"), others.includes("load")], ["a", true, true]);
  assertEquals(bench.loop.degraded, undefined);
});

Deno.test("an unfinished request is refused with the turn that fails", () => {
  const bench = new Bench();
  const answers: unknown[] = [];
  bench.loop.request(() => {
    bench.work("part", 1);
    bench.failing = ["disk I/O error"];
    return UNFINISHED;
  }, (answer) => answers.push("refused" in answer && answer.refused.error));
  assertEquals(bench.run().filter((what) => what === "part").length, 1);
  assertEquals(answers, ["JournalUnavailable"]);
});

Deno.test("a turn without a journal is followed by what follows every turn", () => {
  const bench = new Bench();
  bench.failing = ["disk I/O error", "disk I/O error"];
  bench.ask("a", 0);
  bench.loop.turn();
  bench.said.length = 0;
  bench.loop.look(1);
  bench.loop.turn();
  assertEquals(bench.said, ["look 1", "--"]);
});

Deno.test("effects that would take long are had a part at a time, all before the next decision", () => {
  const bench = new Bench();
  bench.loop.request(() => {
    for (const name of ["e1", "e2", "e3"]) bench.aftermath.then(() => bench.work(name, 6));
  }, () => bench.said.push("answered"));
  const said = bench.run(() => {
    if (bench.said.at(-1) === "e2") bench.ask("a", 1);
    bench.said.push("others");
  });
  assertEquals(said.join(" "), "answered e1 e2 others e3 others a a answered --");
});

Deno.test("what an effect asks to be looked at lets others in first", () => {
  const bench = new Bench();
  const again = (times: number) =>
    bench.loop.request(() => {
      bench.aftermath.then(() => {
        bench.said.push("effect");
        if (times > 1) again(times - 1);
      });
    }, () => {});
  again(3);
  const said = bench.run(() => bench.said.push("others"));
  assertEquals(said.join(" "), "effect -- others effect -- others effect --");
});

Deno.test("what has been decided is done when the loop is stopped, and nothing more", () => {
  const bench = new Bench();
  bench.loop.request(() => {
    for (const name of ["e1", "e2", "e3"]) bench.aftermath.then(() => bench.work(name, 20));
  }, () => {});
  bench.loop.turn();
  bench.loop.stop();
  bench.ask("a", 1);
  assertEquals(bench.run().join(" "), "e1 e2 e3 a answered");
});
