/** holdfast health: one line and an exit code for health checks. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Fault } from "./disk.ts";
import { Home, IS_ROOT, until } from "./home.ts";

const OK = /^OK: .*\d+ running, \d+ queued; turns up to \d+ ms, commits up to \d+ ms\n$/;

Deno.test("a supervisor that serves is healthy, also while it drains", async () => {
  await using home = await Home.start();
  const { code, stdout, stderr } = await home.run("health");
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, OK);
  await home.run("drain");
  const draining = await home.run("health");
  assertEquals(draining.code, 0);
  assertMatch(draining.stdout, /^OK: draining, 0 running/);
  const { health } = JSON.parse((await home.run("health", "--json")).stdout);
  assertEquals([health.faults, health.draining], [[], true]);
});

Deno.test("no answer in time is told with exit code 4", async () => {
  await using home = await Home.start();
  Deno.kill(home.pid, "SIGSTOP");
  const { code, stdout, stderr } = await home.run("health", "--timeout", "1s");
  Deno.kill(home.pid, "SIGCONT");
  assertEquals([code, stdout], [4, ""]);
  assertMatch(stderr, /^holdfast: no answer within 1 s\n$/);
  await home.crash();
  assertEquals((await home.run("health")).code, 4);
});

Deno.test({
  name: "a journal that cannot be written is a fault, and none when it can be again",
  ignore: !IS_ROOT,
  fn: async () => {
    await using home = await Home.start();
    {
      await using _ = await Fault.inject(home.pid, "pwrite64,fdatasync,fsync", "EIO");
      const { code, stdout } = await home.run("health");
      assertEquals(code, 1);
      assertMatch(stdout, /^FAULT: the journal cannot be written: .+ \(0 running, /);
    }
    await until("it is well again", async () => (await home.run("health")).code === 0);
  },
});

Deno.test("a run that no job of the journal knows is a fault", async () => {
  await using home = await Home.start();
  await home.submit("true");
  await home.wait(1);
  await home.crash();
  Deno.mkdirSync(`${home.state}/runs/7`);
  await home.start();
  const { code, stdout } = await home.run("health");
  assertEquals(code, 1);
  assertMatch(stdout, /^FAULT: 1 processes or runs belong to no job/);
});

Deno.test("the regular check tells the log how it is", async () => {
  await using home = await Home.start("--check-interval", "1s");
  await until("it is told", () => /INFO healthy running=0 queued=0 turnMs=\d+/.test(home.log));
  assert(!home.log.includes("somebody should look"), home.log);
});
