/** Who is heard when: with real sockets, while this thread is kept busy. */

import { assert, assertEquals } from "../assert.ts";
import { bytesOf, libc } from "../../src/host/libc.ts";
import { Reactor, READABLE } from "../../src/host/reactor.ts";
import { AF_UNIX, PACKET_FLAGS, receive, send } from "../../src/host/unix_socket.ts";
import { wakeUp } from "../keeper/wake_up.ts";

function socketPair(): [number, number] {
  const ends = new Int32Array(2);
  assert(libc.socketpair(AF_UNIX, PACKET_FLAGS, 0, bytesOf(ends)) === 0);
  return [ends[0]!, ends[1]!];
}

async function withReactor(body: (reactor: Reactor) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const reactor = new Reactor((error) => errors.push(error));
  const running = reactor.run();
  try {
    await body(reactor);
  } finally {
    reactor.stop();
    wakeUp(reactor);
    await running;
  }
  assertEquals(errors, []);
}

Deno.test("whoever is ready is heard before what was put off, while one thing follows another", async () => {
  await withReactor(async (reactor) => {
    const [ours, theirs] = socketPair();
    const said: string[] = [];
    reactor.add(ours, READABLE, () => {
      if (typeof receive(ours, new Uint8Array(8)) === "number") said.push("heard");
    });
    // It waits on another thread by now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise<void>((resolve) => {
      const step = (left: number) => {
        said.push("step");
        send(theirs, new Uint8Array(1));
        if (left > 0) reactor.later(() => step(left - 1));
        else resolve();
      };
      step(20);
    });
    assertEquals(said.join(" "), "step heard ".repeat(20) + "step");
    reactor.remove(ours);
    for (const fd of [ours, theirs]) libc.close(fd);
  });
});

Deno.test("what was put off and is called off does not come", async () => {
  await withReactor(async (reactor) => {
    const said: string[] = [];
    reactor.later(() => said.push("called off"))();
    await new Promise<void>((resolve) => reactor.later(resolve));
    assertEquals(said, []);
  });
});

Deno.test("what is told of a closed descriptor is not told of another under its number", async () => {
  await withReactor(async (reactor) => {
    const [first, peer] = socketPair();
    const [second, other] = socketPair();
    const said: string[] = [];
    // Both are ready: the first that is heard gives the number of the second to a third.
    let third = -1;
    const replace = () => {
      said.push("heard");
      reactor.remove(first);
      reactor.remove(second);
      libc.close(first);
      libc.close(second);
      const [a, b] = socketPair();
      third = a;
      for (const fd of [a, b]) reactor.add(fd, READABLE, () => said.push("a stranger"));
    };
    for (const fd of [first, second]) reactor.add(fd, READABLE, replace);
    send(peer, new Uint8Array(1));
    send(other, new Uint8Array(1));
    await new Promise<void>((resolve) => reactor.later(resolve));
    assertEquals([said, [first, second].includes(third)], [["heard"], true]);
  });
});
