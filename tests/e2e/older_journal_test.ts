/** A state directory restored from an older backup, on the compiled binary. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, until } from "./home.ts";

const RUN = "echo $HOLDFAST_JOB_ID >> ran";

/** Jobs 1 (holds the only CPU) and 2 (queued); what the state directory holds then is `backup`. */
async function backedUp(): Promise<Home> {
  const home = await Home.start("--cpus", "1");
  const first = await home.submit(`${RUN}; while [ ! -e go ]; do sleep 0.05; done; exit 5`);
  await home.submit(`${RUN}; while [ ! -e later ]; do sleep 0.05; done; exit 6`);
  await home.running(first);
  await home.crash();
  copy(home.state, `${home.directory}/backup`);
  await home.start("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(first)).exitCode, "5:0");
  return home;
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  const { success } = new Deno.Command("cp", { args: ["-a", `${from}/.`, to] }).outputSync();
  assert(success);
}

function restoreJournal(home: Home): void {
  for (const end of ["", "-wal"]) {
    Deno.copyFileSync(
      `${home.directory}/backup/journal.db${end}`,
      `${home.state}/journal.db${end}`,
    );
  }
}

Deno.test("under an older journal a queued job that runs since is adopted, not started again", async () => {
  await using home = await backedUp();
  const { pid } = await home.running(2);
  const third = await home.submit(RUN);
  await home.crash();
  restoreJournal(home);
  await home.start("--cpus", "2");
  assertMatch(home.log, /WARN "?the journal is older than its run"? job=2/);
  assertEquals([(await home.status(2)).state, (await home.status(2)).pid], ["RUNNING", pid]);
  Deno.writeTextFileSync(`${home.directory}/later`, "");
  assertEquals((await home.wait(2)).exitCode, "6:0");
  await home.wait(1);
  assertEquals(home.lines("ran"), ["1", "2"]);
  assertEquals((await home.run("status", String(third))).code, third === 3 ? 3 : 0);
});

Deno.test("under an older journal a queued job that has ended since is not started again", async () => {
  await using home = await backedUp();
  await home.running(2);
  Deno.writeTextFileSync(`${home.directory}/later`, "");
  await home.wait(2);
  const third = await home.submit(RUN);
  await home.wait(third);
  await home.crash();
  restoreJournal(home);
  await home.start("--cpus", "2");
  const job = await home.wait(2);
  assertEquals([job.state, job.reason, job.exitCode], ["FAILED", "interrupted", "-999:0"]);
  assertMatch(home.log, /WARN "?run directory of an unknown job"? job=3/);
  assertMatch(home.log, /holdfast rebuild --force/);
  const next = await home.submit(RUN);
  assert(next > third + 1000, "jobs that were queued above it can have left no trace");
  await home.wait(next);
  assertEquals(home.lines("ran"), ["1", "2", "3", String(next)]);
});

Deno.test("processes that an older state directory does not know are told and not signalled; ids are not reused", async () => {
  await using home = await backedUp();
  const { pid } = await home.running(2);
  Deno.writeTextFileSync(`${home.directory}/later`, "");
  await home.wait(2);
  const unknown = await home.submit("echo up >up; exec sleep 1000");
  const { pid: unknownPid } = await home.running(unknown);
  // Its shim runs nothing once its files are gone.
  await until("its command runs", () => home.lines("up").length === 1);
  await home.crash();
  for (const { name } of [...Deno.readDirSync(home.state)]) {
    Deno.removeSync(`${home.state}/${name}`, { recursive: true });
  }
  copy(`${home.directory}/backup`, home.state);
  await home.start("--cpus", "2");
  assertMatch(
    home.log,
    new RegExp(`WARN "?processes of an unknown job"? job=${unknown} pids="?${unknownPid}`),
  );
  assert(home.processes().includes(unknownPid!) && !home.processes().includes(pid!));
  assert(await home.submit(["true"]) > unknown + 1000);
});

Deno.test("a queued job whose processes live without its run directory is not started again", async () => {
  await using home = await backedUp();
  const { pid } = await home.running(2);
  await home.crash();
  for (const { name } of [...Deno.readDirSync(home.state)]) {
    Deno.removeSync(`${home.state}/${name}`, { recursive: true });
  }
  copy(`${home.directory}/backup`, home.state);
  await home.start("--cpus", "2");
  const job = await home.wait(2);
  assertEquals([job.state, job.reason], ["FAILED", "interrupted"]);
  assertMatch(job.message!, new RegExp(`runs already, as pid ${pid}`));
  assert(home.processes().includes(pid!));
  assertEquals(home.lines("ran"), ["1", "2"]);
});

Deno.test("a claim that appears under a queued job is not taken for its own start", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit("while [ ! -e go ]; do sleep 0.05; done");
  const second = await home.submit(RUN);
  await home.running(first);
  Deno.mkdirSync(`${home.state}/runs/${second}`);
  Deno.writeTextFileSync(`${home.state}/runs/${second}/claim`, `${home.pid} 1 another-token\n`);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  const job = await home.wait(second);
  assertEquals([job.state, job.reason, job.released], ["FAILED", "startFailed", true]);
  assertEquals(home.lines("ran"), []);
  await until("nobody is left", () => home.processes().length === 0);
});
