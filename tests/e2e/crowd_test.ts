/** Many clients at once, and descriptors that run short: told once, served again when there are some. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Client } from "../../src/varlink/client.ts";
import { Home, soon, until } from "./home.ts";

const CANNOT = /ERROR cannot accept/g, AGAIN = /INFO accepts again failures=(\d+)/g;

Deno.test("a want of descriptors is told once, and how often when it is over", async () => {
  await using home = await Home.start();
  const first = await Client.connect(home.socket);
  const open = [...Deno.readDirSync(`/proc/${home.pid}/fd`)].length;
  const limit = (soft: number) =>
    new Deno.Command("prlimit", { args: ["--pid", `${home.pid}`, `--nofile=${soft}:`] }).output();
  const { soft } = limits(home.pid);
  await limit(open + 4);
  const crowd = await Promise.all(Array.from({ length: 20 }, () => Client.connect(home.socket)));
  await until("it is told", () => home.log.includes("cannot accept"));
  // Long enough for a line with each try.
  for (let i = 0; i < 20; i++) {
    assert((await soon(first.call("Node", {}), "who is connected")).node);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await limit(soft);
  await soon(Promise.all(crowd.map((client) => client.call("Node", {}))), "who has waited");
  for (const client of [first, ...crowd]) client.close();
  await until("it is over", () => home.log.includes("accepts again"));
  assertEquals(home.log.match(CANNOT)?.length, 1, home.log);
  const [again] = [...home.log.matchAll(AGAIN)];
  assert(Number(again![1]) > 5, again![0]);
  assertMatch(home.log, /cannot accept what=.*Too many open files.* doing=/);
});

function limits(pid: number): { soft: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/limits`);
  return { soft: Number(/^Max open files +(\d+)/m.exec(text)![1]) };
}

Deno.test("who is connected is answered while a flood of connections comes in", async () => {
  await using home = await Home.start();
  const first = await Client.connect(home.socket);
  const began = Date.now();
  const flood = Promise.all(Array.from({ length: 400 }, () => Client.connect(home.socket)));
  assert((await soon(first.call("Node", {}), "who is connected")).node);
  const clients = await flood;
  await soon(Promise.all(clients.map((client) => client.call("Node", {}))), "everybody");
  assert(Date.now() - began < 10_000);
  for (const client of [first, ...clients]) client.close();
});
