/** The client against a server of a few lines: a real socket, and whatever answers a test wants. */
import assert from "node:assert/strict";
import { Client, NoSupervisor, VarlinkError } from "../../src/varlink/client.ts";
import { messageText, parseMessage, Splitter } from "../../src/varlink/framing.ts";

interface Peer {
  send(...messages: object[]): Promise<void>;
  close(): void;
}

type Answer = (call: Record<string, any>, peer: Peer) => unknown;

/** Runs `body` with the path of a socket at which each call gets `answer`. */
async function serving(answer: Answer, body: (path: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "holdfast-client-" });
  const path = `${folder}/socket`;
  const listener = Deno.listen({ transport: "unix", path });
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) serving.push(serve(connection, answer));
  })();
  try {
    await body(path);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(serving);
    Deno.removeSync(folder, { recursive: true });
  }
}

async function serve(connection: Deno.Conn, answer: Answer): Promise<void> {
  let isOpen = true;
  const peer: Peer = {
    async send(...messages) {
      const bytes = new TextEncoder().encode(messages.map(messageText).join(""));
      for (let sent = 0; sent < bytes.length;) {
        sent += await connection.write(bytes.subarray(sent));
      }
    },
    close() {
      isOpen = false;
    },
  };
  const splitter = new Splitter(1 << 20);
  const buffer = new Uint8Array(65536);
  try {
    while (isOpen) {
      const count = await connection.read(buffer);
      if (count === null) break;
      for (const bytes of splitter.push(buffer.subarray(0, count))) {
        if (isOpen) await answer(parseMessage(bytes), peer);
      }
    }
  } catch {
    // The client has left in the middle of an answer.
  }
  connection.close();
}

async function using(answer: Answer, body: (client: Client) => Promise<void>): Promise<void> {
  await serving(answer, async (path) => {
    const client = await Client.connect(path);
    try {
      await body(client);
    } finally {
      client.close();
    }
  });
}

const echo: Answer = ({ method, parameters }, peer) =>
  peer.send({ parameters: { method, ...parameters } });

Deno.test("a call is sent by its full name and answered with the reply's parameters", async () => {
  await using(echo, async (client) => {
    assert.deepEqual(await client.call("Status", { id: 7 }) as unknown, {
      method: "io.holdfast.Status",
      id: 7,
    });
    assert.deepEqual(await client.raw("org.varlink.service.GetInfo", {}), {
      method: "org.varlink.service.GetInfo",
    });
  });
});

Deno.test("pipelined calls get their own replies", async () => {
  await using(echo, async (client) => {
    const ids = Array.from({ length: 2000 }, (_, i) => i + 1);
    const replies = await Promise.all(ids.map((id) => client.call("Status", { id })));
    assert.deepEqual(replies.map((reply) => (reply as unknown as { id: number }).id), ids);
  });
});

Deno.test("an error has the name without its interface, and the parameters", async () => {
  const refuse: Answer = ({ parameters }, peer) =>
    peer.send({ error: "io.holdfast.NoSuchJob", parameters });
  await using(refuse, async (client) => {
    await assert.rejects(client.call("Status", { id: 9 }), (error) => {
      assert.ok(error instanceof VarlinkError);
      assert.deepEqual([error.name, error.parameters], ["NoSuchJob", { id: 9 }]);
      return true;
    });
  });
});

Deno.test("a refused call leaves those after it unharmed", async () => {
  const refuseOne: Answer = ({ parameters }, peer) =>
    peer.send(parameters.id === 1 ? { error: "io.holdfast.NoSuchJob" } : { parameters });
  await using(refuseOne, async (client) => {
    const [first, second] = await Promise.allSettled([
      client.call("Status", { id: 1 }),
      client.call("Status", { id: 2 }),
    ]);
    assert.equal(first.status, "rejected");
    assert.deepEqual(second, { status: "fulfilled", value: { id: 2 } });
  });
});

Deno.test("a stream ends with its last reply, and calls go on after it", async () => {
  const stream: Answer = async (call, peer) => {
    if (!call.more) return await echo(call, peer);
    await peer.send(
      { parameters: { offset: 1 }, continues: true },
      { parameters: {}, continues: true },
      { parameters: { offset: 2 } },
    );
  };
  await using(stream, async (client) => {
    const seen = [];
    for await (const reply of client.stream("Logs", { id: 1 })) seen.push(reply.offset);
    assert.deepEqual(seen, [1, undefined, 2]);
    assert.equal((await client.call("Status", { id: 3 }) as unknown as { id: number }).id, 3);
  });
});

Deno.test("an error in a stream comes after what was sent before it", async () => {
  const fail: Answer = (_, peer) =>
    peer.send({ parameters: { offset: 1 }, continues: true }, { error: "io.holdfast.NoSuchJob" });
  await using(fail, async (client) => {
    const seen: unknown[] = [];
    await assert.rejects(async () => {
      for await (const reply of client.stream("Logs", { id: 1 })) seen.push(reply.offset);
    }, VarlinkError);
    assert.deepEqual(seen, [1]);
  });
});

Deno.test("a stream that is not read is not taken from the socket", async () => {
  const REPLIES = 2000, ROUND_TRIPS = 4 * REPLIES;
  const data = "x".repeat(10_000);
  let sent = 0;
  const flood: Answer = async (call, peer) => {
    if (!call.more) return await echo(call, peer);
    for (; sent < REPLIES; sent++) await peer.send({ parameters: { data }, continues: true });
    await peer.send({ parameters: {} });
  };
  await serving(flood, async (path) => {
    const [reader, other] = [await Client.connect(path), await Client.connect(path)];
    try {
      let received = 0;
      for await (const reply of reader.stream("Logs", { id: 1 })) {
        if (reply.data) received++;
        if (received !== 1) continue;
        // In this time a client that held all it can get would have got everything.
        for (let i = 0; i < ROUND_TRIPS; i++) await other.call("Status", { id: 1 });
        assert.ok(sent < REPLIES / 2, `${sent} sent`);
      }
      assert.equal(received, REPLIES);
    } finally {
      reader.close();
      other.close();
    }
  });
});

Deno.test("leaving a stream before its end closes the connection", async () => {
  const endless: Answer = async (_, peer) => {
    for (;;) await peer.send({ parameters: { offset: 0 }, continues: true });
  };
  await using(endless, async (client) => {
    for await (const _ of client.stream("Logs", { id: 1 })) break;
    await assert.rejects(client.call("Status", { id: 1 }), NoSupervisor);
  });
});

Deno.test("calls without an answer fail when the connection is lost, and so do later ones", async () => {
  await using((_, peer) => peer.close(), async (client) => {
    const calls = [1, 2, 3].map((id) => client.call("Status", { id }));
    for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
    await assert.rejects(client.call("Status", { id: 4 }), NoSupervisor);
  });
});

Deno.test("a reply that is no message loses the connection", async () => {
  await using(async (_, peer) => await peer.send([]), async (client) => {
    await assert.rejects(client.call("Status", { id: 1 }), NoSupervisor);
  });
});

Deno.test("where nobody listens there is no supervisor, and the error names the path", async () => {
  const error = await Client.connect("/nonexistent/control.sock").catch((error) => error);
  assert.ok(error instanceof NoSupervisor);
  assert.match(error.message, /\/nonexistent\/control\.sock/);
});
