/**
 * What comes with age, on the compiled binary under a wall clock that is moved: ended jobs are pruned
 * when they have really been kept long enough, and what nobody released is released.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { FakeClock, HAS_FAKETIME } from "./fake_clock.ts";
import { Home, until } from "./home.ts";

const DAY_MS = 86_400_000;
const OFTEN = ["--check-interval", "1s"];

if (!HAS_FAKETIME) console.log(`skipped: jumps of the wall clock; install libfaketime`);

/** Waits until so many regular checks more have been made. */
async function checks(home: Home, count: number): Promise<void> {
  const made = () => home.log.split("\n").filter((line) => / healthy /.test(line)).length;
  const before = made();
  await until("it is checked", () => made() >= before + count);
}

function told(home: Home): number {
  return home.log.split("\n").filter((line) => line.includes("the wall clock was moved")).length;
}

async function ids(home: Home): Promise<number[]> {
  return (await home.use((client) => client.call("List", {}))).jobs.map(({ id }) => id);
}

Deno.test("a wall clock that is moved by days prunes nothing, and no age is shown by it", {
  ignore: !HAS_FAKETIME,
}, async () => {
  await using home = new Home();
  const clock = new FakeClock(home.directory);
  await clock.start(home, OFTEN);
  const long = await home.submit(["sleep", "1000"]);
  await home.running(long);
  const ended = await home.submit("echo kept");
  await home.wait(ended);
  for (const [at, days] of [9, -9, 400].entries()) {
    clock.jump(`${days < 0 ? "" : "+"}${days}d`);
    await until("the jump is told", () => told(home) === at + 1);
    await checks(home, 2);
    assertEquals(await ids(home), [long, ended]);
    assertEquals(home.stdout(ended), "kept\n");
    for (const words of [["prune"], ["prune", "--older-than", "1h"]]) {
      assertEquals((await home.run(...words)).stdout, "0 jobs removed\n");
    }
    const { elapsedMs } = await home.status(long);
    assert(elapsedMs! < 60_000, `it has run for ${elapsedMs} ms`);
    const { stdout } = await home.runAs({ env: clock.environment }, "status", `${long}`);
    assertMatch(stdout, /^Elapsed: +\d+\.\ds$/m);
  }
  await home.crash();
  await clock.start(home, OFTEN);
  await checks(home, 2);
  assertEquals(await ids(home), [long, ended], "also by the next supervisor of this boot");
  await until("what is asked for is done", async () => {
    return (await home.run("prune", "--older-than", "0")).stdout === "1 jobs removed\n";
  });
});

Deno.test(
  "how long a job ran is told by the boot clock, also when the wall clock was moved meanwhile",
  {
    ignore: !HAS_FAKETIME,
  },
  async () => {
    await using home = new Home();
    const clock = new FakeClock(home.directory);
    await clock.start(home);
    const id = await home.submit("echo up >up; mkfifo go; read -r line <go");
    await until("it runs", () => home.lines("up").length > 0);
    clock.jump("+5d");
    await until(
      "it can be let go",
      () => home.run("node").then(() => isThere(`${home.directory}/go`)),
    );
    Deno.writeTextFileSync(`${home.directory}/go`, "\n");
    const job = await home.wait(id);
    assert(job.elapsedMs! < 60_000, `it ran for ${job.elapsedMs} ms`);
  },
);

Deno.test("retention counts over a reboot, but not what a clock alone says that the node was off", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo kept");
  await home.wait(id);
  await home.crash();
  rebootedAfter(home, 9 * DAY_MS);
  await home.start(...OFTEN);
  await until("it is told", () => home.log.includes("ended jobs that may be old are kept"));
  await checks(home, 2);
  assertEquals(await ids(home), [id]);
  const { stdout } = await home.run("prune");
  assertMatch(stdout, /^0 jobs removed, 1 kept: .* for a day$/m);
  const { removed, kept } = await home.use((client) => client.call("Prune", {}));
  assertEquals([removed, kept], [0, 1]);
  await home.crash();
  // The day that has to pass is over in a second.
  home.inJournal((database) => {
    const { value } = database.prepare("SELECT value FROM settings WHERE name = 'clock'").get()!;
    const over = String(value).replace(/:\d+$/, ":1");
    database.prepare("UPDATE settings SET value = ? WHERE name = 'clock'").run(over);
  });
  await home.start(...OFTEN);
  await until("it is pruned", async () => (await ids(home)).length === 0);
});

Deno.test("a usual reboot counts as time", async () => {
  await using home = await Home.start();
  const id = await home.submit(["true"]);
  await home.wait(id);
  await home.crash();
  rebootedAfter(home, 600_000);
  await home.start("--retention", "8m", ...OFTEN);
  await until("it is pruned", async () => (await ids(home)).length === 0);
});

Deno.test("an allocation that was not released within 48 h after its job's end is released and reported", async () => {
  await using home = await Home.start();
  const jobs: Job[] = [];
  for (const _ of ["old", "young"]) jobs.push(await home.wait(await home.submit(["true"])));
  const [old, young] = jobs.map(({ id }) => id) as [number, number];
  await home.crash();
  home.edit(`
    UPDATE resource_allocations SET released = 0, released_time = NULL;
    UPDATE jobs SET ended_at = ended_at - ${47 * 3_600_000}, started_at = started_at - ${
    47 * 3_600_000
  } WHERE id = ${young};
    UPDATE jobs SET ended_at = ended_at - ${49 * 3_600_000}, started_at = started_at - ${
    49 * 3_600_000
  } WHERE id = ${old};
  `);
  await home.start("--retention", "30d", ...OFTEN);
  await until("it is released", async () => (await home.status(old)).released);
  assertMatch(home.log, new RegExp(`WARN released a stale allocation job=${old}\n`));
  await checks(home, 2);
  assertEquals((await home.status(young)).released, false);
  assertEquals(home.log.match(/released a stale allocation/g)?.length, 1);
});

/** As if the node had been off for so long: what it knows of is older, and of another boot. */
function rebootedAfter(home: Home, ms: number): void {
  home.inJournal((database) => {
    const { value } = database.prepare("SELECT value FROM settings WHERE name = 'clock'").get()!;
    const [, bootMs, wallMs, steadyMs] = String(value).split(" ").map(Number);
    database.prepare("UPDATE settings SET value = ? WHERE name = 'clock'")
      .run(`another ${bootMs} ${wallMs! - ms - bootMs!} ${steadyMs! - ms - bootMs!}`);
    database.exec(`UPDATE jobs SET ended_at = ended_at - ${ms}`);
  });
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
