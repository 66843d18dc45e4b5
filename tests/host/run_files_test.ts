/** What is read of a run: records of this version's shims and of the shell shims before, and refusals. */

import * as fc from "fast-check";
import { assertEquals } from "../assert.ts";
import { RunFiles } from "../../src/host/run_files.ts";
import { parseEndRecord, parseUsage } from "../../src/host/run_records.ts";
import { parseRefused, refusalOf } from "../../src/host/start_refusal.ts";

const USAGE = "user 1500 system 2499 memory 4096 read 1 written 2";
const READ = { userTimeMs: 2, systemTimeMs: 2, maxMemory: 4096, readBytes: 1, writtenBytes: 2 };

class State implements Disposable {
  readonly directory = Deno.makeTempDirSync();
  readonly files = new RunFiles(this.directory);

  constructor() {
    this.files.prepare();
    this.files.create(1);
  }

  write(path: string, text: string): void {
    Deno.writeTextFileSync(`${this.directory}/${path}`, text);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("a record tells the exit, its time, what was used, and whether that was all", () => {
  using state = new State();
  state.write("exits/1", `exit 0:11 core at 1234 ${USAGE}\n`);
  const exit = { code: 0, signal: 11, coreDumped: true as const };
  assertEquals(state.files.exitRecord(1), { exit, usage: READ, refusal: undefined, atMs: 1234 });
  assertEquals(state.files.finalUsage(1), undefined);
  state.write("exits/1", `exit 130:0 at 1234 ${USAGE} final\n`);
  assertEquals(state.files.exitRecord(1)?.exit, { code: 130, signal: 0 });
  assertEquals(state.files.finalUsage(1), READ);
  state.write("exits/1", `exit 130:0 at 1234 ${USAGE}\n`);
  state.write("runs/1/usage", `${USAGE}\n`);
  assertEquals(state.files.finalUsage(1), READ);
});

Deno.test("a record of a shell shim is read as the shell meant it", () => {
  using state = new State();
  const record = (text: string) => {
    state.write("exits/1", text);
    const { exit, usage, refusal } = state.files.exitRecord(1)!;
    return { exit, usage, refusal };
  };
  const usage = { userTimeMs: 10, systemTimeMs: 20 };
  const bytes = (readBytes?: number, writtenBytes?: number) => ({
    ...usage,
    readBytes,
    writtenBytes,
  });
  assertEquals(record("7 1 2 4096 8192\n"), {
    exit: { code: 7, signal: 0 },
    usage: bytes(4096, 8192),
    refusal: undefined,
  });
  assertEquals(record("137 1 2\n").exit, { code: 0, signal: 9 });
  assertEquals(record("127 1 2\n").refusal, undefined);
  state.write("runs/1/refused", "command not found in PATH: x\n");
  const why = "command not found in PATH: x";
  assertEquals(record("127 1 2\n"), {
    exit: { code: 127, signal: 0 },
    usage: bytes(),
    refusal: { why, by: "job" },
  });
  assertEquals(state.files.finalUsage(1), undefined);
});

Deno.test("a record that was cut short anywhere does not count", () => {
  for (const whole of [`exit 0:11 core at 1234 ${USAGE} refused final\n`, "7 1 2 4096 8192\n"]) {
    assertEquals(parseEndRecord(whole) !== undefined, true);
    for (let length = 0; length < whole.length; length++) {
      assertEquals(parseEndRecord(whole.slice(0, length)), undefined, whole.slice(0, length));
    }
  }
});

Deno.test("no text makes a record fail to be read", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    for (const parse of [parseEndRecord, parseUsage, parseRefused]) parse(`${text}\n`);
  }));
});

Deno.test("a refusal is read as it was told, whatever its path holds", () => {
  using state = new State();
  const odd = "/a b\n/c 2 ";
  state.write("exits/1", `exit 127:0 at 1 ${USAGE} refused final\n`);
  state.write("runs/1/refused", `10 2 ${odd}\n`);
  const step = { stage: 10, error: 2, about: odd };
  const refusal = {
    why: `cannot enter the directory ${odd}: No such file or directory`,
    by: "job",
  };
  assertEquals(state.files.exitRecord(1)?.refusal, refusal as typeof refusal & { by: "job" });
  assertEquals(
    refusalOf({ ...step, leadsTo: undefined }),
    refusal as typeof refusal & { by: "job" },
  );
  state.write("runs/1/refused", "10 2 /cut");
  assertEquals(state.files.exitRecord(1)?.refusal, { why: "nothing was executed", by: "node" });
});

Deno.test("what the node was short of is the node's, whatever was being done", () => {
  const EAGAIN = 11, COMMAND = 11;
  assertEquals(refusalOf({ stage: COMMAND, error: EAGAIN, about: "/bin/true" }).by, "node");
});

Deno.test("what an attempt without a claim has left does not say that nobody of the next is left", () => {
  using state = new State();
  state.write("runs/1/usage", "user 1 system 1 memory 1 read 1 written 1\n");
  assertEquals(state.files.finalUsage(1) === undefined, false);
  state.files.fence(1, 1);
  assertEquals(state.files.finalUsage(1), undefined);
});

Deno.test("a fence makes no run directory, and only ours counts", () => {
  using state = new State();
  assertEquals([state.files.fence(2, 1), state.files.hasRun(2)], [false, false]);
  assertEquals([state.files.fence(1, 1), state.files.fence(1, 1)], [true, true]);
  state.write("runs/1/claim.2", "1 2 token\n");
  assertEquals([state.files.fence(1, 2), state.files.hasRun(1)], [false, true]);
});
