/** The control protocol, on the compiled binary: introspection, errors, bad input, rude peers. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, IS_ROOT, until } from "./home.ts";
import { RawPeer } from "./raw_peer.ts";
import INTERFACE_DESCRIPTION from "../../src/varlink/io.holdfast.varlink" with { type: "text" };

Deno.test("a client can learn the service and its interface", async () => {
  await using home = await Home.start();
  using peer = await RawPeer.connect(home);
  const info = await peer.ask({ method: "org.varlink.service.GetInfo" });
  assertEquals(info.parameters.interfaces, ["org.varlink.service", "io.holdfast"]);
  const method = "org.varlink.service.GetInterfaceDescription";
  const { parameters } = await peer.ask({ method, parameters: { interface: "io.holdfast" } });
  assertEquals(parameters.description, INTERFACE_DESCRIPTION);
  const unknown = await peer.ask({ method, parameters: { interface: "io.other" } });
  assertEquals(unknown, {
    error: "org.varlink.service.InterfaceNotFound",
    parameters: { interface: "io.other" },
  });
});

Deno.test("wrong calls get the errors that Varlink has for them, and the connection stays", async () => {
  await using home = await Home.start();
  using peer = await RawPeer.connect(home);
  const cases: [unknown, string, unknown][] = [
    [{ method: "io.holdfast.Nothing" }, "org.varlink.service.MethodNotFound", {
      method: "io.holdfast.Nothing",
    }],
    [{ method: "io.other.Thing" }, "org.varlink.service.InterfaceNotFound", {
      interface: "io.other",
    }],
    [{ method: "Status" }, "org.varlink.service.InterfaceNotFound", { interface: "" }],
    [{ method: "io.holdfast.Status" }, "org.varlink.service.InvalidParameter", { parameter: "id" }],
    [
      { method: "io.holdfast.Status", parameters: { id: "1" } },
      "org.varlink.service.InvalidParameter",
      { parameter: "id" },
    ],
    [
      { method: "io.holdfast.Status", parameters: { id: 1, extra: 1 } },
      "org.varlink.service.InvalidParameter",
      { parameter: "extra" },
    ],
    [{ method: "io.holdfast.Watch" }, "org.varlink.service.ExpectedMore", {}],
    [{ method: "io.holdfast.Logs", parameters: { id: 1 } }, "org.varlink.service.ExpectedMore", {}],
    [{ method: "io.holdfast.Status", parameters: { id: 9 } }, "io.holdfast.NoSuchJob", { id: 9 }],
    [
      { method: "io.holdfast.Logs", more: true, parameters: { id: 9, offset: 1 } },
      "org.varlink.service.InvalidParameter",
      { parameter: "offset" },
    ],
  ];
  for (const [call, error, parameters] of cases) {
    assertEquals(await peer.ask(call), { error, parameters });
  }
});

Deno.test("an invalid job is refused by the name of the field", async () => {
  await using home = await Home.start();
  using peer = await RawPeer.connect(home);
  const cases: [unknown, string, RegExp][] = [
    [{}, "command", /./],
    [{ command: [] }, "command", /must not be empty/],
    [{ command: [""] }, "command", /name of a program/],
    [{ command: "true" }, "command", /list of strings/],
    [{ command: ["a\0b"] }, "command", /NUL/],
    [{ command: ["a\ud800b"] }, "command", /surrogates/],
    [{ command: ["true"], environment: { A: "\udc00" } }, "environment", /surrogates/],
    [{ command: ["true"], directory: "relative" }, "directory", /absolute/],
    [{ command: ["true"], timeout: -1 }, "timeout", /at least 0/],
    [{ command: ["true"], timeout: 1.5 }, "timeout", /whole number/],
    [{ command: ["true"], cpus: 0 }, "cpus", /at least 1/],
    [{ command: ["true"], cpus: 9 }, "cpus", /gives out 8/],
    [{ command: ["true"], memory: Number.MAX_SAFE_INTEGER }, "memory", /gives out/],
    [{ command: ["true"], environment: { "A=B": "c" } }, "environment", /./],
    [{ command: ["true"], environment: { A: 1 } }, "environment", /./],
    [{ command: ["true"], environment: [] }, "environment", /object of strings/],
    [{ command: ["true"], user: "nobody" }, "user", /must be/],
    [{ command: ["true"], after: [99] }, "after", /job 99/],
    [{ command: ["true"], colour: "red" }, "colour", /not a field/],
    ["true", "spec", /object/],
  ];
  for (const [spec, field, message] of cases) {
    const { error, parameters } = await peer.ask({
      method: "io.holdfast.Submit",
      parameters: { spec },
    });
    assertEquals(
      [error, parameters.field],
      ["io.holdfast.InvalidJob", field],
      JSON.stringify(spec),
    );
    assertMatch(parameters.message, message);
  }
});

Deno.test("bytes that are no call are answered and the connection closed, others are served on", async () => {
  await using home = await Home.start();
  using other = await RawPeer.connect(home);
  const cases: [string, string, RegExp][] = [
    ["not json\0", "MalformedMessage", /JSON/],
    ["\0", "MalformedMessage", /JSON/],
    ["[1]\0", "MalformedMessage", /JSON/],
    ['{"method":1}\0', "MalformedMessage", /method is not a string/],
    ['{"method":"a.b","speed":1}\0', "MalformedMessage", /unknown key "speed"/],
    ['{"method":"a.b","parameters":[]}\0', "MalformedMessage", /parameters is not an object/],
    ['{"method":"io.hold\0fast.Node"}\0', "MalformedMessage", /JSON/],
    [`{"method":"${"x".repeat(2 << 20)}"}\0`, "LimitExceeded", /./],
  ];
  for (const [text, error, message] of cases) {
    using peer = await RawPeer.connect(home);
    // The rest of a message that is too long is not read.
    await peer.send(text).catch(() => {});
    const reply = await peer.receive();
    assertEquals(reply.error, `io.holdfast.${error}`);
    assertMatch(reply.parameters.message ?? reply.parameters.what, message);
    assertEquals(await peer.receive(), undefined, "the connection is closed");
    assert((await other.ask({ method: "io.holdfast.Node" })).parameters.node);
  }
});

Deno.test("a peer that leaves in mid-message harms nobody, and what it was promised holds", async () => {
  await using home = await Home.start();
  for (let i = 0; i < 20; i++) {
    using peer = await RawPeer.connect(home);
    await peer.send('{"method":"io.holdfast.Submit","parameters":{"spec":{"command":["tr');
  }
  const id = await home.submit(["true"]);
  assertEquals((await home.wait(id)).state, "COMPLETED");
});

Deno.test("replies come in the order of the calls, submissions pipelined", async () => {
  await using home = await Home.start();
  using peer = await RawPeer.connect(home);
  const submit = (name: string) =>
    JSON.stringify({
      method: "io.holdfast.Submit",
      parameters: { spec: { command: ["true"], name } },
    }) + "\0";
  const list = JSON.stringify({ method: "io.holdfast.List" }) + "\0";
  await peer.send(submit("a") + submit("b") + list + submit("c") + list);
  const replies = [];
  for (let i = 0; i < 5; i++) replies.push((await peer.receive()).parameters);
  assertEquals(replies.map(({ job, jobs }) => job?.spec.name ?? jobs.length), [
    "a",
    "b",
    2,
    "c",
    3,
  ]);
});

Deno.test("a oneway call is done and not answered", async () => {
  await using home = await Home.start();
  using peer = await RawPeer.connect(home);
  await peer.send(
    JSON.stringify({
      method: "io.holdfast.Submit",
      oneway: true,
      parameters: { spec: { command: ["true"] } },
    }) + "\0",
  );
  const { parameters } = await peer.ask({ method: "io.holdfast.List" });
  assertEquals(parameters.jobs.length, 1);
});

Deno.test("a peer that never reads its replies does not grow the supervisor or stop others", async () => {
  await using home = await Home.start("--max-unread", "64K");
  const id = await home.submit("head -c 20000000 /dev/zero");
  await home.wait(id);
  using rude = await RawPeer.connect(home);
  const logs = JSON.stringify({ method: "io.holdfast.Logs", more: true, parameters: { id } }) +
    "\0";
  await rude.send(logs.repeat(20));
  for (let i = 0; i < 20; i++) await home.wait(await home.submit(["true"]));
  const status = Deno.readTextFileSync(`/proc/${home.pid}/status`);
  assert(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) < 200_000, status);
  // It is served on when it reads: each call in its turn, every byte there.
  let bytes = 0;
  for (let finals = 0; finals < 2;) {
    const { parameters, continues } = await rude.receive();
    bytes += parameters.data ? atob(parameters.data).length : 0;
    if (!continues) finals++;
  }
  assertEquals(bytes, 40_000_000);
});

Deno.test("more connections than allowed are refused with the limit", async () => {
  await using home = await Home.start("--max-connections", "2");
  using _first = await RawPeer.connect(home);
  using _second = await RawPeer.connect(home);
  await until("both are counted", async () => {
    using third = await RawPeer.connect(home);
    const reply = await third.receive().catch(() => undefined);
    return reply?.error === "io.holdfast.LimitExceeded" && reply.parameters.limit === 2;
  });
});

Deno.test("a full queue refuses jobs with its limit", async () => {
  await using home = await Home.start("--cpus", "1", "--max-queued", "2");
  await home.running(await home.submit(["sleep", "1000"]));
  await home.submit(["true"]);
  await home.submit(["true"]);
  const refused = await home.submit(["true"]).catch((error) => [error.name, error.parameters]);
  assertEquals(refused, ["QueueFull", { limit: 2 }]);
});

Deno.test("another user is known by the kernel and refused", { ignore: !IS_ROOT }, async () => {
  await using home = await Home.start();
  const { code, stderr } = await home.runAs({ uid: 65534 }, "node");
  assertEquals(code, 5, stderr);
  assertMatch(stderr, /answers only root and its own user/);
  assertMatch(home.log, /WARN refused uid=65534 .*method=io\.holdfast\.Node/);
});

Deno.test("watch streams every transition, also those before it", async () => {
  await using home = await Home.start();
  const states: string[] = [];
  const id = await home.submit("sleep 0.3; exit 2");
  await home.use(async (client) => {
    for await (const { event } of client.stream("Watch", { since: 0, id })) {
      if (!event) continue;
      states.push(event.state);
      if (event.state === "FAILED") break;
    }
  });
  assertEquals(states, ["QUEUED", "STARTING", "RUNNING", "FAILED"]);
  const { events } = await home.use((client) => client.call("History", { id }));
  assertEquals(events.map(({ state }) => state), states);
});

Deno.test("wait answers after its time with the job as it then is", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  const { job } = await home.use((client) => client.call("Wait", { id, timeout: 1 }));
  assertEquals([job.id, job.endedAt], [id, undefined]);
});

Deno.test("list pages in id order and filters", async () => {
  await using home = await Home.start();
  for (const name of ["a", "b", "a", "a"]) await home.wait(await home.submit(["true"], { name }));
  const page = await home.use((client) => client.call("List", { name: "a", limit: 2 }));
  assertEquals([page.jobs.map(({ id }) => id), page.next], [[1, 3], 3]);
  const rest = await home.use((client) =>
    client.call("List", { name: "a", limit: 2, after: page.next })
  );
  assertEquals([rest.jobs.map(({ id }) => id), rest.next], [[4], undefined]);
  const none = await home.use((client) => client.call("List", { states: ["FAILED"] }));
  assertEquals(none.jobs, []);
});

Deno.test("a client that asks for much and reads nothing holds up nobody", async () => {
  await using home = await Home.start();
  const environment = { PADDING: "x".repeat(20_000) };
  for (let i = 0; i < 20; i++) await home.submit(["true"], { environment });
  using greedy = await Deno.connect({ transport: "unix", path: home.socket });
  const call = JSON.stringify({ method: "io.holdfast.List", parameters: {} }) + "\0";
  const calls = new TextEncoder().encode(call.repeat(2000));
  const written = greedy.write(calls).catch(() => 0);
  const id = await home.submit(["sleep", "1000"], { timeout: 1, grace: 1 });
  for (let i = 0; i < 20; i++) await home.status(id);
  const { reason } = await home.wait(id);
  assertEquals(reason, "timeout");
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${home.pid}/status`))![1];
  assert(Number(rss) < 400_000, `${rss} kB resident`);
  greedy.close();
  await written;
});

Deno.test("many clients that ask for much and read it hold up neither others nor deadlines", async () => {
  await using home = await Home.start();
  const environment = { PADDING: "x".repeat(20_000) };
  for (let i = 0; i < 20; i++) await home.submit(["true"], { environment });
  const call = JSON.stringify({ method: "io.holdfast.List", parameters: {} }) + "\0";
  const calls = new TextEncoder().encode(call.repeat(2000));
  const greedy = await Promise.all(
    Array.from({ length: 20 }, () => Deno.connect({ transport: "unix", path: home.socket })),
  );
  let answered = 0;
  const reading = greedy.map(async (connection) => {
    await connection.write(calls);
    const buffer = new Uint8Array(1 << 18);
    for (let count; (count = await connection.read(buffer).catch(() => null));) answered += count;
  });
  await until("all are served", () => answered > 20 << 20);
  const id = await home.submit(["sleep", "1000"], { timeout: 1, grace: 1 });
  assertEquals((await home.wait(id)).reason, "timeout");
  for (const connection of greedy) connection.close();
  await Promise.allSettled(reading);
});

Deno.test("a call that wants no answer is done although its peer leaves while others keep us busy", async () => {
  await using home = await Home.start();
  const environment = { PADDING: "x".repeat(20_000) };
  for (let i = 0; i < 20; i++) await home.submit(["true"], { environment });
  using greedy = await RawPeer.connect(home);
  const list = JSON.stringify({ method: "io.holdfast.List", parameters: {} }) + "\0";
  await greedy.send(list.repeat(500));
  for (let i = 0; i < 10; i++) {
    using peer = await RawPeer.connect(home);
    const method = "io.holdfast.Drain";
    await peer.send(JSON.stringify({ method, parameters: {}, oneway: true }) + "\0");
  }
  await until("it drains", async () => {
    const { node } = await home.use((client) => client.call("Node", {}));
    return node.draining;
  });
});

Deno.test("calls that wait behind another hold no more memory than a message may", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  using peer = await RawPeer.connect(home);
  const wait = JSON.stringify({ method: "io.holdfast.Wait", parameters: { id } }) + "\0";
  const spec = { command: ["true"], environment: { PADDING: "x".repeat(900_000) } };
  const submit = JSON.stringify({ method: "io.holdfast.Submit", parameters: { spec } }) + "\0";
  await peer.send(wait);
  let isSent = false;
  const sending = peer.send(submit.repeat(20)).then(() => isSent = true);
  // Whoever is read from is read from at least once in the time of each of these.
  await home.use(async (client) => {
    for (let i = 0; i < 500; i++) await client.call("Status", { id });
  });
  assert(!isSent, "what is not begun is not read");
  await home.cancel(id);
  assertEquals((await peer.receive()).parameters.job.id, id);
  for (let i = 1; i <= 20; i++) assertEquals((await peer.receive()).parameters.job.id, id + i);
  await sending;
});
