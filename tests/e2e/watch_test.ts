/** holdfast watch of a job or an array: what happens to it, to its end, whenever that is. */

import { assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, soon, until } from "./home.ts";

/** What is shown, without times: `1 COMPLETED exit`. */
async function watch(home: Home, ...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await soon(home.run("watch", ...words), `watch ${words}`);
  assertEquals([code, stderr], [0, ""]);
  return stdout.split("\n").slice(0, -1).map((line) => line.slice(line.indexOf(" ") + 1));
}

Deno.test("of a job that has ended its end is told, and watch ends", async () => {
  await using home = await Home.start();
  await home.wait(await home.submit("exit 3"));
  await home.wait(await home.submit(["true"]));
  assertEquals(await watch(home, "1"), ["1 FAILED exit"]);
  assertEquals(await watch(home, "--id", "1"), ["1 FAILED exit"]);
  const [line, ...more] = (await home.run("watch", "--json", "1")).stdout.trim().split("\n");
  assertEquals([JSON.parse(line!).event.state, more.length], ["FAILED", 0]);
  assertEquals(await watch(home, "1", "--since", "0"), [
    ...["QUEUED", "STARTING", "RUNNING"].map((state) => `1 ${state}`),
    "1 FAILED exit",
  ]);
  const { events } = await home.use((client) => client.call("History", { id: 2 }));
  const { sequence } = events.at(-1)!;
  assertEquals(await watch(home, "2", "--since", String(sequence - 1)), ["2 COMPLETED exit"]);
  assertEquals(await watch(home, "2", "--since", String(sequence)), []);
  assertEquals((await home.run("watch", "9")).code, 3);
  const twice = await home.run("watch", "1", "--id", "2");
  assertEquals(twice.code, 2);
  assertMatch(twice.stderr, /^holdfast: the id is given twice/);
});

Deno.test("of a job that has not ended each change is told until its end, through restarts", async () => {
  await using home = await Home.start();
  await home.running(await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 7"));
  const script = 'exec "$1" watch 1 --since 0 > seen';
  const watching = home.spawn("sh", ["-c", script, "sh", BINARY], home.directory);
  await until("it watches", () => home.lines("seen").length >= 3);
  await home.restart();
  await home.restart();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await soon(watching.status, "watch")).code, 0);
  const seen = home.lines("seen").map((line) => line.slice(line.indexOf(" ") + 1));
  assertEquals(seen.at(-1), "1 FAILED exit");
  assertEquals(seen.filter((line) => line.startsWith("1 FAILED")).length, 1);
});

Deno.test("an array is watched until all its jobs have ended, each end told once", async () => {
  await using home = await Home.start();
  await home.submit("test $HOLDFAST_ARRAY_INDEX != 2 || while [ ! -e go ]; do sleep 0.05; done", {
    array: "1-3",
  });
  await home.submit(["true"]);
  for (const id of [1, 3, 4]) await home.wait(id);
  const script = 'exec "$1" watch 1 > seen';
  const watching = home.spawn("sh", ["-c", script, "sh", BINARY], home.directory);
  await until("the ends are told", () => home.lines("seen").length === 2);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await soon(watching.status, "watch")).code, 0);
  const seen = home.lines("seen").map((line) => line.slice(line.indexOf(" ") + 1));
  const ends = ["1_1", "1_2", "1_3"].map((name) => `${name} COMPLETED exit`);
  assertEquals(seen.filter((line) => line.includes("COMPLETED")).sort(), ends);
  assertEquals(seen.at(-1), "1_2 COMPLETED exit");
  assertEquals((await watch(home, "1")).sort(), ends);
  assertEquals(await watch(home, "1_3"), ["1_3 COMPLETED exit"]);
  const all = await watch(home, "1", "--since", "0");
  assertEquals(all.filter((line) => line.includes("COMPLETED")).sort(), ends);
  assertEquals(all.length, 12);
});

Deno.test("no end is missed that comes while watch begins", async () => {
  await using home = await Home.start();
  for (let i = 0; i < 20; i++) {
    const id = await home.submit(`sleep 0.0${i % 10}`);
    assertEquals((await watch(home, String(id))).at(-1), `${id} COMPLETED exit`);
  }
});
