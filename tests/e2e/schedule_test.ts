/** The order of starts, as a client sees it: pools, arrays, holds, times, backfill and dependencies. */

import { assert, assertEquals } from "../assert.ts";
import { VarlinkError } from "../../src/varlink/client.ts";
import type { Job, Pool, Spec } from "../../src/varlink/interface.ts";
import { Home, until } from "./home.ts";

async function statesOf(home: Home, ids: readonly number[]): Promise<string[]> {
  return await Promise.all(ids.map(async (id) => (await home.status(id)).state));
}

async function setPool(home: Home, name: string, change: Partial<Pool>): Promise<Pool> {
  return (await home.use((client) => client.call("SetPool", { name, ...change }))).pool;
}

async function hold(home: Home, id: number, verb: "Hold" | "Release", array = false): Promise<Job> {
  return (await home.use((client) => client.call(verb, { id, array }))).job;
}

async function jobsOf(home: Home, array: number): Promise<Job[]> {
  return (await home.use((client) => client.call("List", { array, limit: 1000 }))).jobs;
}

async function refusal(body: Promise<unknown>): Promise<unknown> {
  try {
    await body;
  } catch (error) {
    assert(error instanceof VarlinkError, String(error));
    return { ...error.parameters, error: error.name };
  }
  return undefined;
}

/** A job that runs until the file is there. */
function untilFile(name: string): string {
  return `until [ -e ${name} ]; do sleep 0.05; done`;
}

Deno.test("a pool runs as many jobs at once as its limit allows, and none while it is paused", async () => {
  await using home = await Home.start();
  await setPool(home, "gpu", { limit: 1 });
  const submit = () => home.submit(untilFile("go"), { pool: "gpu" });
  const [first, second, other] = [await submit(), await submit(), await home.submit(["true"])];
  await home.wait(other);
  await home.running(first);
  const waiting = await home.status(second);
  assertEquals([waiting.state, waiting.waiting], [
    "QUEUED",
    `pool gpu runs its limit of 1`,
  ]);
  await setPool(home, "gpu", { paused: true });
  await home.restart();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await home.wait(first);
  assertEquals((await home.status(second)).waiting, "pool gpu is paused");
  const { pools } = await home.use((client) => client.call("Pools", {}));
  assertEquals(pools, [{ name: "gpu", limit: 1, paused: true, running: 0, queued: 1 }]);
  assertEquals(
    await refusal(home.use((client) => client.call("RemovePool", { name: "gpu" }))),
    { error: "PoolInUse", name: "gpu", jobs: 1 },
  );
  await setPool(home, "gpu", { paused: false });
  assertEquals((await home.wait(second)).state, "COMPLETED");
  await home.use((client) => client.call("RemovePool", { name: "gpu" }));
  assertEquals((await refusal(submit()) as { field: string }).field, "pool");
});

Deno.test("an array is one submission of jobs that know their index, with so many at once", async () => {
  await using home = await Home.start();
  const script = `echo "$HOLDFAST_ARRAY_ID $HOLDFAST_ARRAY_INDEX" >> ran; ${untilFile("go")}`;
  const id = await home.submit(script, { array: "1-9:2,4%2" });
  await until("two of them run", () => home.lines("ran").length === 2);
  const jobs = await jobsOf(home, id);
  assertEquals(
    jobs.map(({ array }) => array),
    [1, 3, 4, 5, 7, 9].map((index) => ({
      id,
      index,
      size: 6,
    })),
  );
  const queued = jobs.filter(({ state }) => state === "QUEUED").map((job) => job.id);
  assertEquals(queued.length, 4);
  assertEquals((await home.status(queued[0]!)).waiting, "its array runs its limit of 2");
  await home.restart();
  assertEquals(home.lines("ran").length, 2);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  for (const job of jobs) assertEquals((await home.wait(job.id)).state, "COMPLETED");
  assertEquals(home.lines("ran").sort(), [1, 3, 4, 5, 7, 9].map((index) => `${id} ${index}`));
});

Deno.test("an array is cancelled as one", async () => {
  await using home = await Home.start("--cpus", "2");
  const id = await home.submit(["sleep", "1000"], { array: "0-19" });
  await home.running(id);
  await home.use((client) => client.call("Cancel", { id: id + 3, array: true }));
  for (const job of await jobsOf(home, id)) {
    assertEquals((await home.wait(job.id)).state, "CANCELLED");
  }
});

Deno.test("a held job waits for its release, over a restart too, and one that runs cannot be held", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo ran >> ran", { hold: true });
  const other = await home.submit(["sleep", "1000"]);
  await home.running(other);
  await home.restart();
  const held = await home.status(id);
  assertEquals([held.state, held.held, held.waiting], ["QUEUED", true, "its release"]);
  assertEquals(await refusal(hold(home, other, "Hold")), {
    error: "NotQueued",
    id: other,
    state: "RUNNING",
  });
  assertEquals((await hold(home, id, "Release")).held, undefined);
  await home.wait(id);
  assertEquals(home.lines("ran"), ["ran"]);
});

Deno.test("a job does not start before its time, over a restart too", async () => {
  await using home = await Home.start();
  const notBefore = new Date(Date.now() + 2000).toISOString();
  const id = await home.submit(["true"], { notBefore });
  assertEquals((await home.status(id)).waiting, notBefore);
  await home.restart();
  const job = await home.wait(id);
  assertEquals(job.state, "COMPLETED");
  assert(Date.parse(job.startedAt!) >= Date.parse(notBefore), job.startedAt);
});

Deno.test("a small job passes a large one only where it cannot put that off", async () => {
  await using home = await Home.start("--cpus", "4");
  const submit = (spec: Partial<Spec>) => home.submit(["sleep", "1000"], { grace: 0, ...spec });
  const running = await submit({ cpus: 2, timeout: 600 });
  await home.running(running);
  const large = await submit({ cpus: 4, timeout: 600 });
  const long = await submit({ cpus: 1, timeout: 10_000 });
  const endless = await submit({ cpus: 1, timeout: 0 });
  const short = await submit({ cpus: 1, timeout: 300 });
  await home.running(short);
  assertEquals(await statesOf(home, [large, long, endless]), ["QUEUED", "QUEUED", "QUEUED"]);
  const waits = await home.status(large);
  assertEquals(waits.waiting, "1 CPU free, needs 4");
  const starts = Date.parse(waits.expectedStart!) -
    Date.parse((await home.status(running)).startedAt!);
  assert(Math.abs(starts - 600_000) < 5000, `in ${starts} ms`);
  assertEquals(
    (await home.status(long)).waiting,
    `job ${large} to start, which it could put off`,
  );
  await home.cancel(running);
  await home.cancel(short);
  await home.running(large);
  assertEquals((await home.status(long)).waiting, `0 CPUs free, needs 1`);
});

Deno.test("a job that the node has become too small for keeps nobody waiting", async () => {
  await using home = await Home.start("--cpus", "4");
  const blocker = await home.submit(["sleep", "1000"], { cpus: 4 });
  await home.running(blocker);
  const large = await home.submit(["true"], { cpus: 4 });
  await home.restart("--cpus", "2");
  await home.cancel(blocker);
  assertEquals((await home.wait(await home.submit(["true"]))).state, "COMPLETED");
  assertEquals(
    (await home.status(large)).waiting,
    "it can never start: the node gives out 2 CPUs, needs 4",
  );
});

Deno.test("what follows a job that failed while nobody was there ends CANCELLED at the next start", async () => {
  await using home = await Home.start();
  const first = await home.submit(`${untilFile("go")}; exit 3`);
  const next = await home.submit("echo ran >> ran", { after: [first] });
  const array = await home.submit("echo ran >> ran", { after: [next], array: "1-3" });
  await home.running(first);
  assertEquals((await home.status(next)).waiting, `job ${first} to complete`);
  await home.crash();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await until("its exit is recorded", () => exists(`${home.state}/exits/${first}`));
  await home.start();
  for (const id of [next, array, array + 1, array + 2]) {
    const job = await home.wait(id);
    assertEquals([job.state, job.reason], ["CANCELLED", "dependency"]);
  }
  assertEquals(home.lines("ran"), []);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
