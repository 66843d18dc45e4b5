/** Messages that their senders do not end: told as such, unless there may be more to come. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, soon } from "./home.ts";
import { RawPeer } from "./raw_peer.ts";

const NODE = '{"method":"io.holdfast.Node"}';
/** More than the silence after which a message is looked at. */
const LONG_MS = 1500;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function assertRefused(peer: RawPeer, message: RegExp): Promise<void> {
  const { error, parameters } = await soon(peer.receive(), "a message without an end");
  assertEquals(error, "io.holdfast.MalformedMessage");
  assertMatch(parameters.message, message);
  assertEquals(await peer.receive(), undefined, "the connection is closed");
}

Deno.test("a message that can become none is answered after a second of silence", async () => {
  await using home = await Home.start();
  const cases: [string, RegExp][] = [
    [NODE, /not ended by a NUL byte: .*printf/],
    [`${NODE}\n`, /not ended by a NUL byte/],
    [`${NODE}\r\n`, /not ended by a NUL byte/],
    [` ${NODE}`, /not ended by a NUL byte/],
    [`${NODE}\n${NODE}\n`, /not a JSON object: .* after JSON/],
    ["{'method':'io.holdfast.Node'", /not a JSON object/],
  ];
  await Promise.all(cases.map(async ([text, message]) => {
    using peer = await RawPeer.connect(home);
    await peer.send(text);
    await assertRefused(peer, message);
  }));
});

Deno.test("what begins no message is answered without its end: HTTP, TLS, a word", async () => {
  await using home = await Home.start();
  const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0x5a, 0x5a);
  for (
    const bytes of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n", "help\n", hello]
  ) {
    using peer = await RawPeer.connect(home);
    await peer.send(bytes);
    await assertRefused(peer, /not a JSON object/);
  }
});

Deno.test("what came before is answered before", async () => {
  await using home = await Home.start();
  for (const rest of [NODE, "GET /", "[1]\0"]) {
    using peer = await RawPeer.connect(home);
    await peer.send(`${NODE}\0${NODE}\0${rest}`);
    for (let i = 0; i < 2; i++) assert((await peer.receive()).parameters.node);
    await assertRefused(peer, /./);
  }
});

Deno.test("whoever ends the stream in mid-message is told so; blanks at the end are none", async () => {
  await using home = await Home.start();
  for (const text of [NODE, `${NODE}\n`, '{"meth']) {
    using peer = await RawPeer.connect(home);
    await peer.send(text);
    await peer.end();
    await assertRefused(peer, /not ended by a NUL byte/);
  }
  using peer = await RawPeer.connect(home);
  await peer.send(`${NODE}\0\n`);
  await peer.end();
  assert((await peer.receive()).parameters.node);
  assertEquals(await peer.receive(), undefined);
});

Deno.test("a message that comes slowly is waited for, typed or large", async () => {
  await using home = await Home.start();
  const typing = async () => {
    using peer = await RawPeer.connect(home);
    for (const text of ["\n", '{"meth', 'od":"io.holdfast.Node"', "}\0"]) {
      await peer.send(text);
      await pause(LONG_MS);
    }
    assert((await peer.receive()).parameters.node);
  };
  const sending = async () => {
    using peer = await RawPeer.connect(home);
    const environment = { PADDING: "{}".repeat(300_000) };
    const spec = { command: ["true"], environment };
    const text = JSON.stringify({ method: "io.holdfast.Submit", parameters: { spec } });
    const half = text.length / 2;
    for (const part of [text.slice(0, half), `${text.slice(half)}\0`]) {
      await peer.send(part);
      await pause(LONG_MS);
    }
    assertEquals((await peer.receive()).parameters.job.spec.environment, environment);
  };
  await Promise.all([typing(), sending()]);
});

Deno.test("a message whose end we have not read yet is not taken for one without", async () => {
  await using home = await Home.start("--max-calls", "1");
  const id = await home.submit(["sleep", "1000"]);
  using peer = await RawPeer.connect(home);
  const wait = `${JSON.stringify({ method: "io.holdfast.Wait", parameters: { id } })}\0${NODE}\0`;
  // So much is read at once: all but the last NUL. Then reading waits for the first answer.
  const padding = " ".repeat(65536 - wait.length - NODE.length);
  Deno.kill(home.pid, "SIGSTOP");
  await peer.send(`${wait}${padding}${NODE}\0`);
  Deno.kill(home.pid, "SIGCONT");
  await pause(LONG_MS);
  await home.cancel(id);
  assertEquals((await peer.receive()).parameters.job.id, id);
  for (let i = 0; i < 2; i++) assert((await peer.receive()).parameters.node);
});

Deno.test("whoever is refused and goes on sending costs no time while an earlier call of his waits", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  await home.running(id);
  using peer = await RawPeer.connect(home);
  await peer.send(`${JSON.stringify({ method: "io.holdfast.Wait", parameters: { id } })}\0`);
  await peer.send("no call\0");
  await home.status(id);
  await peer.send("more");
  const before = ticksOf(home.pid);
  await pause(LONG_MS);
  assert(ticksOf(home.pid) - before < LONG_MS / 10 / 4, "it does not turn in circles");
  await home.cancel(id);
  assertEquals((await peer.receive()).parameters.job.id, id);
  await assertRefused(peer, /JSON/);
});

/** CPU time of a process, in ticks of 10 ms (proc(5)). */
function ticksOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
