/** Verbs that take several jobs: one change of all, each of them tried, each told. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { VarlinkError } from "../../src/varlink/client.ts";
import type { Methods } from "../../src/varlink/interface.ts";
import { Home, until } from "./home.ts";

const ENDLESS = ["sleep", "1000"];

async function refusal(answer: Promise<unknown>): Promise<[string, unknown]> {
  try {
    await answer;
    return ["none", undefined];
  } catch (error) {
    assert(error instanceof VarlinkError, String(error));
    return [error.name, error.parameters];
  }
}

async function statesOf(home: Home, id: number): Promise<string[]> {
  const { events } = await home.use((client) => client.call("History", { id }));
  return events.map(({ state }) => state);
}

Deno.test("what a cancel names is not started by what it frees", async () => {
  await using home = await Home.start("--cpus", "2");
  for (let round = 0; round < 5; round++) {
    const first = 8 * round + 1;
    const ids = Array.from({ length: 8 }, (_, i) => first + i);
    for (const _ of ids) await home.submit(ENDLESS);
    await Promise.all(ids.slice(0, 2).map((id) => home.running(id)));
    const { code, stdout } = await home.run("cancel", ...ids.map(String));
    assertEquals([code, stdout.split("\n").length], [0, 9], stdout);
    await Promise.all(ids.map((id) => home.wait(id)));
    for (const id of ids.slice(2)) {
      assertEquals(await statesOf(home, id), ["QUEUED", "CANCELLED"]);
    }
  }
});

Deno.test("each job is tried and told, and the exit code is that of the worst", async () => {
  await using home = await Home.start("--cpus", "2");
  await home.submit("true");
  await home.wait(1);
  for (let i = 0; i < 3; i++) await home.submit(ENDLESS, { hold: true });
  const cancelled = await home.run("cancel", "999", "2", "1", "1_7");
  assertEquals([cancelled.code, cancelled.stdout], [3, "2 CANCELLED\n1 COMPLETED\n"]);
  assertMatch(cancelled.stderr, /there is no job 999; .*\n.*there is no job 1_7: job 1 is not/);
  const released = await home.run("release", "1", "3", "999");
  assertEquals(released.code, 5);
  assertMatch(released.stdout, /^3 [A-Z]+\n$/);
  assertMatch(released.stderr, /job 1 is COMPLETED; only a queued job/);
  await home.running(3);
  const held = await home.run("hold", "3", "4");
  assertEquals([held.code, held.stdout], [5, "4 QUEUED (held)\n"]);
  const signalled = await home.run("signal", "4", "3", "1", "KILL");
  assertEquals([signalled.code, signalled.stdout], [5, ""]);
  assertMatch(signalled.stderr, /job 4 is QUEUED and has no process.*\n.*job 1 has ended/);
  assertEquals((await home.wait(3)).exitCode, "0:9");
  assertEquals((await home.run("cancel", "888", "999")).code, 3);
  for (const words of [["3"], ["x", "USR1"]]) {
    const { code, stderr } = await home.run("signal", ...words);
    assertEquals([code, stderr.startsWith("holdfast: ")], [2, true], stderr);
  }
});

Deno.test("jobs and whole arrays can be named together", async () => {
  await using home = await Home.start();
  await home.run("submit", "--array", "1-3", "--hold", "true");
  await home.run("submit", "--array", "5,7", "--hold", "true");
  await home.submit(ENDLESS, { hold: true });
  const { code, stdout, stderr } = await home.run("cancel", "1", "4_7", "6");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "1[1-3] 3 CANCELLED\n4_7 CANCELLED\n6 CANCELLED\n");
  assertEquals((await home.run("list", "--live")).stdout.split("\n").length, 3);
  const [reply, ...rest] = (await home.run("cancel", "--json", "4_5", "6")).stdout.split("\n");
  assertEquals(rest, [""]);
  const { job, outcomes } = JSON.parse(reply!);
  assertEquals([job.id, outcomes], [
    4,
    [4, 6].map((id) => ({ id, state: "CANCELLED", held: true })),
  ]);
});

Deno.test("the protocol takes a list, and tells what has become of each", async () => {
  await using home = await Home.start("--cpus", "1");
  const [runs, waits] = [await home.submit(ENDLESS), await home.submit(ENDLESS)];
  await home.running(runs);
  await home.use(async (client) => {
    const outcomes = async (method: "Cancel" | "Hold" | "Release", ids: number[]) =>
      (await client.call(method, { ids })).outcomes;
    assertEquals(await outcomes("Hold", [waits, 77, runs]), [
      { id: waits, state: "QUEUED", held: true },
      { id: 77, error: "NoSuchJob" },
      { id: runs, state: "RUNNING", error: "NotQueued" },
    ]);
    assertEquals((await outcomes("Release", [waits]))![0]!.held, undefined);
    const signalled = await client.call("Signal", { ids: [waits, runs], signal: "CONT" });
    assertEquals(signalled.outcomes!.map(({ error }) => error), ["NotRunning", undefined]);
    assertEquals(await outcomes("Cancel", [runs, waits, runs]), [
      { id: runs, state: "RUNNING", stopping: "cancel" },
      { id: waits, state: "CANCELLED" },
    ]);
    assertEquals(await refusal(outcomes("Cancel", [77])), ["NoSuchJob", { id: 77 }]);
    const wrong = { id: 1, ids: [1] } as Methods["Cancel"][0];
    for (const parameters of [wrong, {} as typeof wrong, { ids: [] }, { ids: [0] }]) {
      assertEquals((await refusal(client.call("Cancel", parameters)))[0], "InvalidParameter");
    }
  });
  await until("both have ended", async () => (await home.status(runs)).endedAt);
});
