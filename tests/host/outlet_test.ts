/** Lines that leave without anybody waiting: what is lost is counted, and what is told is whole. */

import { assert, assertEquals } from "../assert.ts";
import { bytesOf, libc, must, O_CLOEXEC, O_NONBLOCK } from "../../src/host/libc.ts";
import { Outlet } from "../../src/host/outlet.ts";

const READ_BYTES = 1 << 16;
const FIONREAD = 0x541bn;

class Pipe implements Disposable {
  readonly output: number;
  readonly input: number;
  #text = "";

  constructor() {
    const ends = new Int32Array(2);
    must("pipe2", libc.pipe2(bytesOf(ends), O_CLOEXEC));
    [this.output, this.input] = [ends[0]!, ends[1]!];
  }

  /** All that is there now. */
  read(): string {
    const buffer = new Uint8Array(READ_BYTES);
    const waiting = new Int32Array(1);
    // A pipe that has nothing would make us wait.
    while (libc.ioctl(this.output, FIONREAD, bytesOf(waiting)) === 0 && waiting[0]! > 0) {
      const count = Number(libc.read(this.output, buffer, BigInt(buffer.length)));
      this.#text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return this.#text;
  }

  [Symbol.dispose](): void {
    libc.close(this.output);
    libc.close(this.input);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition();) {
    assert(Date.now() < deadline, "not in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("each line comes out once and in its order, or is counted", async () => {
  using pipe = new Pipe();
  const outlet = new Outlet(pipe.input);
  outlet.lossLine = (lines) => `LOST ${lines}\n`;
  const line = (n: number) => `${n} ${"x".repeat(n % 300)}\n`;
  let written = 0;
  for (let rounds = 0; rounds < 3; rounds++) {
    for (let count = 0; count < 5000; count++) outlet.write(line(written++));
    await until(() => /LOST \d+\n$/.test(pipe.read()));
  }
  let next = 0;
  for (const found of pipe.read().split("\n").slice(0, -1)) {
    const [, lost] = /^LOST (\d+)$/.exec(found) ?? [];
    if (lost === undefined) assertEquals(`${found}\n`, line(next));
    next += Number(lost ?? 1);
  }
  assertEquals(next, written);
});

Deno.test("the descriptor that others share stays as it was", () => {
  using pipe = new Pipe();
  new Outlet(pipe.input).write("line\n");
  const flags = Deno.readTextFileSync(`/proc/self/fdinfo/${pipe.input}`);
  assertEquals(parseInt(/^flags:\s*(\d+)/m.exec(flags)![1]!, 8) & O_NONBLOCK, 0);
  assertEquals(pipe.read(), "line\n");
});

Deno.test("whoever waits for the last words waits no longer than he says", async () => {
  using pipe = new Pipe();
  const outlet = new Outlet(pipe.input);
  await outlet.flush(10_000);
  for (let count = 0; count < 2000; count++) outlet.write(`${"x".repeat(99)}\n`);
  const began = Date.now();
  await outlet.flush(50);
  assert(Date.now() - began < 5000);
  const flushed = outlet.flush(10_000);
  await until(() => pipe.read().length === 200_000);
  await flushed;
});
