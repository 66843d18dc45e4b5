/** No message harms the keeper: it is built with sanitizers, which end it at the first fault. */

import * as fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { bytesOf, cString, libc, O_CLOEXEC } from "../../src/host/libc.ts";
import { executeKeeper, type KeeperProcess } from "../../src/host/keeper_process.ts";
import { raiseFileLimit } from "../../src/host/resource_limits.ts";
import { RunFiles } from "../../src/host/run_files.ts";
import { readNews } from "../../src/host/shim_news.ts";
import { StartMessages } from "../../src/host/shim_start.ts";
import { AF_UNIX, DescriptorMessage, PACKET_FLAGS, receive } from "../../src/host/unix_socket.ts";
import { until } from "../e2e/home.ts";
import { buildSanitizedKeeper } from "./keeper_home.ts";

const MEANS = { fileLimit: raiseFileLimit(), boundsProcesses: false };
const MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, F_ADD_SEALS = 1033, SEALS = 2n | 8n;
const HEADER_BYTES = 72;

class Fuzzed implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "holdfast-keeper-" });
  readonly #files = new RunFiles(this.directory);
  readonly process: KeeperProcess;
  readonly #message = new DescriptorMessage();
  readonly messages = new StartMessages(MEANS);
  #lastId = 0;

  constructor(program: Uint8Array<ArrayBuffer>) {
    this.#files.prepare();
    this.process = executeKeeper(program, this.directory);
  }

  /** A start that would be good. */
  valid(words: readonly string[] = ["true"]): Uint8Array<ArrayBuffer> {
    const id = ++this.#lastId;
    this.#files.create(id);
    const start = { id, attempt: 1, token: `t${id}`, directory: "/", command: words };
    const limits = { nice: 5, openFiles: 99, umask: "7" };
    return this.messages.encode({ ...start, environment: { A: "b" }, limits, cpuSet: [0] })
      .bytes.slice();
  }

  /** Returns our end of its line. */
  async send(bytes: Uint8Array<ArrayBuffer>, more: readonly number[] = []): Promise<number> {
    const ends = new Int32Array(2);
    libc.socketpair(AF_UNIX, PACKET_FLAGS, 0, bytesOf(ends));
    const [ours, its] = [ends[0]!, ends[1]!];
    await until("it is taken", () => {
      const code = this.#message.send(this.process.socket, bytes, [its, ...more]);
      assert(code === 0 || code === 11, `errno ${code}: the keeper has ended`);
      return code === 0;
    });
    libc.close(its);
    return ours;
  }

  async sendLarge(bytes: Uint8Array<ArrayBuffer>, seals = SEALS): Promise<number> {
    const fd = libc.memfd_create(cString("fuzz"), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    libc.write(fd, bytes, BigInt(bytes.length));
    libc.fcntl(fd, F_ADD_SEALS, seals);
    const line = await this.send(new Uint8Array(1), [fd]);
    libc.close(fd);
    return line;
  }

  /** What is told over a line until its end. */
  async hear(line: number): Promise<string[]> {
    const bytes = new Uint8Array(16_384);
    const kinds: string[] = [];
    await until("the line ends", () => {
      for (;;) {
        const length = receive(line, bytes);
        if (length === "end") return true;
        if (length === undefined) return false;
        readNews(new DataView(bytes.buffer), bytes, length, ({ kind }) => kinds.push(kind));
      }
    });
    libc.close(line);
    return kinds;
  }

  async assertWell(): Promise<void> {
    const kinds = await this.hear(await this.send(this.valid()));
    assertEquals(kinds, ["forked", "claimed", "led", "executed", "ended", "empty"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    libc.close(this.process.socket);
    const status = new Int32Array(1);
    await until("it ends", () => libc.waitpid(this.process.pid, bytesOf(status), 1) !== 0);
    libc.close(this.process.pidfd);
    Deno.removeSync(this.directory, { recursive: true });
    assertEquals(status[0], 0, "it ends by itself when nobody is left who could send");
  }
}

const scratch = Deno.makeTempDirSync();
const path = `${scratch}/keeper`;
const hasSanitizers = buildSanitizedKeeper(path);
const program = hasSanitizers ? Deno.readFileSync(path) : new Uint8Array();
Deno.removeSync(scratch, { recursive: true });

function test(name: string, fn: (fuzzed: Fuzzed) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !hasSanitizers,
    fn: async () => {
      await using fuzzed = new Fuzzed(program);
      await fn(fuzzed);
      await fuzzed.assertWell();
    },
  });
}

test("a good start is good under the sanitizers too, large ones and refused ones with it", async (fuzzed) => {
  await fuzzed.assertWell();
  const long = fuzzed.valid(["true", ..."x".repeat(20_000).split("")]);
  assert((await fuzzed.hear(await fuzzed.sendLarge(long))).includes("ended"));
  assert((await fuzzed.hear(await fuzzed.send(fuzzed.valid(["no-such"])))).includes("refused"));
});

test("bytes of any kind start nothing", async (fuzzed) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 4096 }), async (bytes) => {
      assertEquals(await fuzzed.hear(await fuzzed.send(new Uint8Array(bytes))), ["notForked"]);
    }),
    { numRuns: 300 },
  );
});

test("a good start with some bytes changed, or cut, harms nobody", async (fuzzed) => {
  const change = fc.record({ at: fc.nat(HEADER_BYTES + 200), value: fc.nat(255) });
  const word = fc.record({
    at: fc.integer({ min: 0, max: HEADER_BYTES / 4 - 1 }),
    value: fc.constantFrom(0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 65536, 1 << 20),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 4 }),
      fc.array(word, { maxLength: 2 }),
      fc.option(fc.nat(400), { nil: undefined }),
      fc.boolean(),
      async (changes, words, length, isLarge) => {
        const bytes = fuzzed.valid().slice(0, length);
        for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
        const view = new DataView(bytes.buffer);
        for (const { at, value } of words) {
          if (4 * at + 4 <= bytes.length) view.setUint32(4 * at, value, true);
        }
        if (bytes.length === 0) return;
        const line = await (isLarge ? fuzzed.sendLarge(bytes) : fuzzed.send(bytes));
        // A shim that dies of it would not come to its end.
        const last = (await fuzzed.hear(line)).at(-1)!;
        assert(["notForked", "claimLost", "empty"].includes(last), last);
      },
    ),
    { numRuns: 300 },
  );
});

test("a file that may still change, an empty one and a strange descriptor are refused", async (fuzzed) => {
  const bytes = fuzzed.valid();
  assertEquals(await fuzzed.hear(await fuzzed.sendLarge(bytes, 0n)), ["notForked"]);
  assertEquals(await fuzzed.hear(await fuzzed.sendLarge(new Uint8Array())), ["notForked"]);
  const nothing = libc.open(cString("/dev/null"), O_CLOEXEC, 0);
  assertEquals(await fuzzed.hear(await fuzzed.send(bytes, [nothing])), ["notForked"]);
  libc.close(nothing);
});

test("an empty message is not the end, and one without a line is passed over", async (fuzzed) => {
  const { socket } = fuzzed.process;
  for (const bytes of [new Uint8Array(), fuzzed.valid(), new Uint8Array(70_000)]) {
    libc.sendto(socket, bytes, BigInt(bytes.length), 0x4000, null, 0);
  }
  libc.close(await fuzzed.send(new Uint8Array()));
});
