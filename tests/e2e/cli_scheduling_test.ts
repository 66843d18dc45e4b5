/** Pools, holds and times on the command line: what a person types and reads. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home } from "./home.ts";

Deno.test("pools are made, listed, paused and removed", async () => {
  await using home = await Home.start();
  const said = async (...words: string[]) => (await home.run(...words)).stdout;
  assertEquals(await said("pools"), "POOL  LIMIT  RUNNING  QUEUED  STATE\n");
  assertEquals(await said("set-pool", "gpu", "--limit", "1"), "pool gpu: limit 1\n");
  assertEquals(await said("set-pool", "any"), "pool any: limit none\n");
  assertEquals(await said("pause-pool", "gpu"), "pool gpu: limit 1, paused\n");
  assertEquals(await said("submit", "--pool", "gpu", "true"), "1\n");
  assertEquals(
    await said("pools"),
    "POOL  LIMIT  RUNNING  QUEUED  STATE\n" +
      "any   none   0        0       open\n" +
      "gpu   1      0        1       paused\n",
  );
  assertMatch(await said("status", "1"), /^Waits for: .*(.|\n)*^Pool: +gpu$/m);
  assertEquals(await said("resume-pool", "gpu"), "pool gpu: limit 1\n");
  assertEquals((await home.wait(1)).state, "COMPLETED");
  assertEquals(await said("set-pool", "gpu", "--limit", "none"), "pool gpu: limit none\n");
  assertEquals(await said("remove-pool", "gpu"), "pool gpu was removed\n");
  assertEquals(JSON.parse(await said("pools", "--json")).pools, [
    { name: "any", paused: false, running: 0, queued: 0 },
  ]);
});

Deno.test("a pool that is not there, or in use, is told with its exit code", async () => {
  await using home = await Home.start();
  for (const words of [["pause-pool", "gpu"], ["resume-pool", "gpu"], ["remove-pool", "gpu"]]) {
    const { code, stderr } = await home.run(...words);
    assertEquals(code, 3, words[0]);
    assertEquals(stderr, "holdfast: there is no pool gpu; holdfast pools shows those there are\n");
  }
  assertEquals((await home.use((client) => client.call("Pools", {}))).pools, []);
  const unknown = await home.run("submit", "--pool", "gpu", "true");
  assertEquals(unknown.code, 2);
  assertMatch(unknown.stderr, /invalid job: pool is gpu, and .*holdfast set-pool makes one/);
  await home.run("set-pool", "gpu");
  await home.run("submit", "--pool", "gpu", "--hold", "true");
  const used = await home.run("remove-pool", "gpu");
  assertEquals(used.code, 5);
  assertMatch(used.stderr, /^holdfast: pool gpu has 1 job that has not ended/);
  for (const words of [["set-pool", "a/b"], ["set-pool", "gpu", "--limit", "few"]]) {
    assertEquals((await home.run(...words)).code, 2, words.join(" "));
  }
});

Deno.test("a job that is held says so until it is released", async () => {
  await using home = await Home.start();
  await home.run("submit", "--hold", "true");
  const told = (await home.run("status", "1")).stdout;
  assertMatch(told, /^State: +QUEUED \(held\)$/m);
  assertMatch(told, /^Held: +until holdfast release 1$/m);
  assertMatch((await home.run("list")).stdout, /^1 +QUEUED \(held\) /m);
  assertMatch((await home.run("release", "1")).stdout, /^1 (QUEUED, waits for its turn|[A-Z]+)\n$/);
  assertEquals((await home.wait(1)).state, "COMPLETED");
  for (const verb of ["hold", "release"]) {
    const { code, stderr } = await home.run(verb, "1");
    assertEquals(code, 5);
    assertMatch(stderr, /^holdfast: job 1 is COMPLETED; only a queued job can be held/);
  }
  await home.run("submit", "--not-before", "+1d", "true");
  assertEquals((await home.run("hold", "2")).stdout, "2 QUEUED (held)\n");
  assertMatch((await home.run("release", "2")).stdout, /^2 QUEUED, waits for \d{4}-.*Z\n$/);
  assertEquals((await home.run("hold", "9")).code, 3);
});

Deno.test("a release says what the job still waits for, and that it was not held", async () => {
  await using home = await Home.start("--cpus", "2");
  const time = "2096-07-24T18:00:00Z";
  const released = async (...options: string[]) => {
    const id = (await home.run("submit", ...options, "true")).stdout.trim();
    const { code, stdout } = await home.run("release", id);
    assertEquals(code, 0);
    return stdout.replace(new RegExp(`^${id}(\\[[\\d-]+\\])? `), "");
  };
  const late = `waits for ${time.replace("Z", ".000Z")}`;
  assertEquals(await released("--not-before", time), `QUEUED, it was not held; ${late}\n`);
  assertEquals(await released("--hold", "--not-before", time), `QUEUED, ${late}\n`);
  assertEquals(
    await released("--hold", "--after", "1"),
    "QUEUED, waits for job 1 to complete\n",
  );
  await home.run("set-pool", "p");
  await home.run("pause-pool", "p");
  assertMatch(
    await released("--pool", "p"),
    /^QUEUED, it was not held; waits for: pool p is paused/,
  );
  assertEquals(
    await released("--array", "1-2", "--hold", "--not-before", time),
    `2 QUEUED, ${late}\n`,
  );
  assertEquals(
    await released("--array", "1-2", "--not-before", time),
    `2 QUEUED, none of it was held; ${late}\n`,
  );
  const { job } = JSON.parse((await home.run("release", "--json", "1")).stdout);
  assertEquals([job.state, job.waiting], ["QUEUED", time.replace("Z", ".000Z")]);
});

Deno.test("of several jobs each is tried and told, and the exit code is the worst", async () => {
  await using home = await Home.start("--cpus", "1");
  await home.running(await home.submit(["sleep", "1000"], { cpus: 1 }));
  for (let i = 0; i < 3; i++) await home.submit(["true"], { cpus: 1 });
  const unknown = "holdfast: there is no job 99; holdfast list shows those there are\n";
  const held = await home.run("hold", "99", "1", "2", "98", "3");
  assertEquals([held.code, held.stdout], [5, "2 QUEUED (held)\n3 QUEUED (held)\n"]);
  assertEquals(
    held.stderr,
    `${unknown}holdfast: job 1 is RUNNING; only a queued job can be held or released\n` +
      unknown.replace("99", "98"),
  );
  const released = await home.run("release", "99", "2");
  assertEquals([released.code, released.stderr], [3, unknown]);
  assertMatch(released.stdout, /^2 QUEUED, waits for/);
  const cancelled = await home.run("cancel", "99", "3", "1_5", "4", "--json");
  const { outcomes } = JSON.parse(cancelled.stdout);
  assertEquals([cancelled.code, outcomes.map(({ id }: { id: number }) => id)], [3, [3, 4]]);
  for (const id of [3, 4]) assertEquals((await home.wait(id)).state, "CANCELLED");
  assertEquals((await home.run("cancel", "99", "1", "2")).code, 3);
  assertEquals((await home.wait(1)).state, "CANCELLED");
  assertEquals((await home.run("cancel", "1", "2")).code, 0);
});

Deno.test("a job with a time waits for it", async () => {
  await using home = await Home.start();
  const env = { TZ: "America/New_York" };
  const late = ["--not-before", "2096-07-24 18:00", "true"];
  assertEquals((await home.runAs({ env }, "submit", ...late)).stdout, "1\n");
  const told = (await home.run("status", "1")).stdout;
  assertMatch(told, /^Not before: +2096-07-24T22:00:00.000Z$/m);
  assertMatch(told, /^State: +QUEUED$/m);
  assertMatch(told, /^Waits for: .*2096-07-24T22:00:00/m);
  const wrong = await home.run("submit", "--not-before", "25:00", "true");
  assertEquals(wrong.code, 2);
  assertMatch(
    wrong.stderr,
    /^holdfast: --not-before: '25:00' is not a time such as 18:00, .*\+90m/,
  );
});

Deno.test("a job that waits for CPUs says by when it starts at the latest", async () => {
  await using home = await Home.start("--cpus", "1");
  await home.run("submit", "--timeout", "1h", "sleep", "1000");
  const { startedAt } = await home.running(1);
  await home.run("submit", "--array", "1-2", "true");
  const start = (text: string) => Date.parse(/^Starts: +by (\S+) at the latest/m.exec(text)![1]!);
  const one = (await home.run("status", "2_1")).stdout;
  assertMatch(one, /^Waits for: +\S/m);
  assert(start(one) >= Date.parse(startedAt!) + 3_600_000, one);
  assertMatch((await home.run("status", "2")).stdout, /^Waits for: +index 1: (.|\n)*^Starts: /m);
});

Deno.test("run follows one job and refuses an array", async () => {
  await using home = await Home.start();
  const { code, stderr } = await home.run("run", "--array", "1-3", "true");
  assertEquals(code, 125);
  assertMatch(stderr, /^holdfast: run follows one job; holdfast submit --array /);
  assertEquals(JSON.parse((await home.run("list", "--json")).stdout).jobs, []);
});
