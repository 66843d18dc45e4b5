/** Journals that are not whole: refused at the start as they are, and rebuilt by `holdfast rebuild`. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, IS_ROOT, type Output, until } from "./home.ts";
import { untouched } from "./untouched.ts";

const HOLD = "while [ ! -e go ]; do sleep 0.05; done";
const PAGE = 4096;

function journal(home: Home, end = ""): string {
  return `${home.state}/journal.db${end}`;
}

/** Flips the bytes from `at` on. */
function flip(path: string, at: number, length = 64): void {
  const bytes = Deno.readFileSync(path);
  for (let i = at; i < at + length; i++) bytes[i] = bytes[i]! ^ 0xff;
  Deno.writeFileSync(path, bytes);
}

/** Name and content of everything in the state directory but the lock. */
function snapshot(home: Home): string {
  const lines: string[] = [];
  const walk = (directory: string) => {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(directory)) {
      const path = `${directory}/${name}`;
      if (isDirectory) walk(path);
      else if (isFile && name !== "lock") lines.push(`${path} ${Deno.readFileSync(path).join()}`);
    }
  };
  walk(home.state);
  return lines.sort().join("\n");
}

/** A start must refuse, say what to do, and change nothing. */
async function refused(home: Home, why: RegExp): Promise<void> {
  const before = snapshot(home);
  const { code, stderr } = await home.run("daemon", "--burst");
  assertEquals(code, 1, stderr);
  assertMatch(stderr, why);
  assertMatch(stderr, new RegExp(`holdfast rebuild --state-dir ${home.state} `));
  assertEquals(snapshot(home) === before, true, "something was changed");
}

async function rebuilt(home: Home, ...flags: string[]): Promise<Output> {
  const output = await home.run("rebuild", ...flags);
  assertEquals(output.code, 0, output.stderr);
  return output;
}

function names(home: Home): string[] {
  return [...Deno.readDirSync(home.state)].map(({ name }) => name).sort();
}

/** Moves all that is committed into journal.db, as the supervisor does when it ends. */
async function stop(home: Home): Promise<void> {
  await home.signal("SIGTERM");
}

Deno.test("a journal that is no database, cut short, empty or gone is refused and left as it is", async () => {
  await using home = await Home.start();
  await home.wait(await home.submit("exit 3"));
  await stop(home);
  const whole = Deno.readFileSync(journal(home));
  Deno.writeTextFileSync(journal(home), "this is no database".repeat(1000));
  await refused(home, /journal\.db is damaged: it is not a database/);
  Deno.writeFileSync(journal(home), whole.subarray(0, whole.length - 2 * PAGE));
  await refused(home, /journal\.db is damaged/);
  Deno.writeFileSync(journal(home), whole.subarray(0, 50));
  await refused(home, /journal\.db is damaged/);
  Deno.writeFileSync(journal(home), new Uint8Array());
  await refused(home, /journal\.db is empty, although there are traces of 1 jobs/);
  Deno.removeSync(journal(home));
  await refused(home, /journal\.db is missing, although there are traces of 1 jobs/);
  Deno.removeSync(`${home.state}/runs/1`, { recursive: true });
  await home.start();
});

Deno.test("a journal with a flipped page is refused and left as it is, with and without its log", async () => {
  await using home = await Home.start();
  for (let i = 0; i < 20; i++) await home.wait(await home.submit("exit 3"));
  await stop(home);
  const pages = Deno.readFileSync(journal(home)).length / PAGE;
  for (let page = 1; page < pages; page++) {
    const whole = Deno.readFileSync(journal(home));
    // Trees of tables and indexes; what spills out of a row has nothing that could be checked.
    if (![2, 5, 10, 13].includes(whole[page * PAGE]!)) continue;
    flip(journal(home), page * PAGE);
    await refused(home, new RegExp(`journal\\.db is damaged`));
    Deno.writeFileSync(journal(home), whole);
  }
  await home.start();
  await home.wait(await home.submit("exit 3"));
  await home.crash();
  assert(Deno.statSync(journal(home, "-wal")).size > 0);
  flip(journal(home), PAGE, Deno.statSync(journal(home)).size - PAGE);
  await refused(home, /journal\.db is damaged/);
});

Deno.test("a write-ahead log that is missing, or damaged in its middle, is refused; a torn end is not", async () => {
  await using home = await Home.start();
  for (let i = 0; i < 3; i++) await home.wait(await home.submit("exit 3"));
  await home.crash();
  const log = Deno.readFileSync(journal(home, "-wal"));
  for (const at of [0, 20, 32 + 30, 32 + 3 * (24 + PAGE) + 100]) {
    flip(journal(home, "-wal"), at, 2);
    await refused(
      home,
      /journal\.db has a write-ahead log of which (the header|frame \d+) is damaged/,
    );
    Deno.writeFileSync(journal(home, "-wal"), log);
  }
  Deno.removeSync(journal(home, "-wal"));
  await refused(home, /journal\.db was not closed, and its write-ahead log .*-wal is missing/);
  Deno.writeFileSync(journal(home, "-wal"), log);
  // A last transaction that did not get to the disk whole was acknowledged to nobody.
  Deno.writeFileSync(journal(home, "-wal"), new Uint8Array(5000).fill(7), { append: true });
  await home.start();
  assertEquals((await home.status(3)).exitCode, "3:0");
});

Deno.test("a journal of a newer version is refused by the start and by rebuild", async () => {
  await using home = await Home.start();
  await stop(home);
  home.edit("PRAGMA user_version = 99");
  const before = snapshot(home);
  assertMatch(
    (await home.run("daemon", "--burst")).stderr,
    /has schema 99, .*start the newer holdfast/,
  );
  const { code, stderr } = await home.run("rebuild", "--force");
  assertEquals(code, 1);
  assertMatch(stderr, /has schema 99, .*not damaged: start the newer holdfast/);
  assertEquals(snapshot(home), before);
});

Deno.test(
  "a journal that cannot be written is refused and says so",
  { ignore: !IS_ROOT },
  async () => {
    await using home = await Home.start();
    await stop(home);
    const bind = async (...args: string[]) =>
      assert((await new Deno.Command("mount", { args }).output()).success);
    await bind("--bind", journal(home), journal(home));
    await bind("-o", "remount,bind,ro", journal(home));
    try {
      const { code, stderr } = await home.run("daemon", "--burst");
      assertEquals(code, 1);
      assertMatch(
        stderr,
        /journal\.db cannot be written: .*; make the file and its directory writable/,
      );
    } finally {
      await new Deno.Command("umount", { args: [journal(home)] }).output();
    }
    await home.start();
  },
);

Deno.test("rebuild does nothing to a sound journal unless forced, and is refused beside a supervisor", async () => {
  await using home = await Home.start();
  const id = await home.submit("exit 3");
  const before = await home.wait(id);
  const beside = await home.run("rebuild");
  assertEquals(beside.code, 1);
  assertMatch(beside.stderr, new RegExp(`another supervisor, pid ${home.pid}, holds`));
  await home.crash();
  const files = snapshot(home);
  assertEquals((await rebuilt(home)).stdout, "the journal is sound; nothing was done\n");
  assertEquals(snapshot(home), files);
  const { stdout } = await rebuilt(home, "--force");
  assertMatch(stdout, /jobs kept: 1; .*\n.*\nthe old journal is kept: .*journal\.db\.damaged-/);
  assertEquals(names(home).filter((name) => name.startsWith("journal.db.damaged-")).length, 2);
  const history = (await home.run("history", "1")).stdout;
  await home.start();
  assertEquals(await home.status(id), before);
  assertEquals((await home.run("history", "1")).stdout === history, false);
  assertEquals(await home.submit("exit 0"), 2);
});

Deno.test("a column that cannot be read is told, and its job keeps all the rest, through a sound file too", async () => {
  await using home = await Home.start("--cpus", "2");
  const ended = await home.submit("exit 3", { pin: "shared" });
  assertEquals((await home.wait(ended)).exitCode, "3:0");
  const running = await home.submit(`${HOLD}; exit 4`, { pin: "shared" });
  const { pid } = await home.running(running);
  await home.crash();
  home.edit(`UPDATE resource_allocations SET cpu_set = '[0' WHERE job_id = ${running};
    UPDATE resource_allocations SET cpu_set = 'garbage' WHERE job_id = ${ended};
    UPDATE jobs SET exit_code = 'three' WHERE id = ${ended}`);
  const start = await home.run("daemon", "--burst");
  assertEquals(start.code, 1);
  assertMatch(
    start.stderr,
    /^holdfast: job 2: its cpu_set in the journal cannot be read; .*rebuild/m,
  );
  const told =
    /holds values that no holdfast has written\ncannot be read: exit_code, cpu_set of job 1\ncannot be read: cpu_set of job 2\n/;
  assertMatch((await rebuilt(home, "--dry-run")).stdout, told);
  assertMatch((await rebuilt(home)).stdout, told);
  assertEquals((await rebuilt(home)).stdout, "the journal is sound; nothing was done\n");
  await home.start("--cpus", "2");
  const jobs = JSON.parse((await home.run("list", "--json")).stdout).jobs;
  assertEquals(jobs.map(({ cpuSet }: { cpuSet?: number[] }) => cpuSet), [undefined, undefined]);
  assertEquals((await home.status(ended)).exitCode, "-999:0");
  assertEquals((await home.status(running)).pid, pid);
  assertMatch((await home.run("history", String(running))).stdout, /RUNNING/);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(running)).exitCode, "4:0");
});

Deno.test("without its journal a running job is adopted, an ended one ends by its record, none runs twice", async () => {
  await using home = await Home.start("--cpus", "3");
  const ended = await home.submit(
    "echo $HOLDFAST_JOB_ID >> ran; while [ ! -e go ]; do sleep 0.05; done; exit 7",
  );
  const running = await home.submit([
    "sh",
    "-c",
    "echo $HOLDFAST_JOB_ID >> ran; while :; do sleep 0.1; done",
  ]);
  const killed = await home.submit("echo $HOLDFAST_JOB_ID >> ran; exec sleep 1000");
  const queued = await home.submit("echo $HOLDFAST_JOB_ID >> ran");
  const { pid } = await home.running(running);
  const { pid: killedPid } = await home.running(killed);
  await home.running(ended);
  const shim = Number(Deno.readTextFileSync(`${home.state}/runs/${killed}/claim`).split(" ")[0]);
  await home.crash();
  Deno.kill(shim, "SIGKILL");
  Deno.kill(killedPid!, "SIGKILL");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await until(
    "its record is there",
    () => [...Deno.readDirSync(`${home.state}/exits`)].length === 1,
  );
  for (const end of ["", "-wal"]) Deno.removeSync(journal(home, end));
  await refused(home, /is missing, although there are traces of 3 jobs/);
  const { stdout } = await rebuilt(home);
  assertMatch(stdout, /^2 {2}started: a shim has claimed it; it runs, without a timeout: /m);
  assertMatch(
    stdout,
    /^3 {2}started: a shim has claimed it; no process of it is known to be alive$/m,
  );
  assertMatch(
    stdout,
    /cannot be read: which jobs above 3 there were: any that were queued are lost/,
  );
  await home.start();
  const adopted = await home.status(running);
  assertEquals([adopted.state, adopted.pid, adopted.adopted], ["RUNNING", pid, true]);
  assertEquals(adopted.spec.command.slice(0, 2), ["sh", "-c"]);
  assertEquals(adopted.spec.directory, home.directory);
  const [one, three] = [await home.wait(ended), await home.wait(killed)];
  assertEquals([one.exitCode, one.spec.name], ["7:0", "lost with the journal"]);
  assertEquals([three.state, three.exitCode], ["FAILED", "-999:0"]);
  assertEquals((await home.run("status", String(queued))).code, 3);
  assert(await home.submit(["true"]) > queued, "an id that was given is not given again");
  assertEquals((await home.run("resubmit", String(ended))).code, 2);
  await home.cancel(running);
  assertEquals((await home.wait(running)).state, "CANCELLED");
  assertEquals(home.lines("ran").sort(), ["1", "2", "3"]);
  assertEquals(home.processes(), []);
});

Deno.test("with a damaged journal every row that can be read is kept, and jobs queued there still run once", async () => {
  await using home = await Home.start("--cpus", "1");
  const hold = await home.submit(`echo $HOLDFAST_JOB_ID >> ran; ${HOLD}; exit 5`);
  await home.running(hold);
  const ids = [hold];
  for (let i = 0; i < 60; i++) ids.push(await home.submit("echo $HOLDFAST_JOB_ID >> ran"));
  await stop(home);
  // A leaf of the table of jobs in the middle: its pages hold a few jobs each.
  const at = new TextDecoder("latin1").decode(Deno.readFileSync(journal(home))).indexOf(
    '"echo $HOLDFAST_JOB_ID >> ran"',
    6 * PAGE,
  );
  flip(journal(home), Math.floor(at / PAGE) * PAGE, 100);
  await refused(home, /is damaged/);
  const dry = JSON.parse((await rebuilt(home, "--dry-run", "--json")).stdout);
  await refused(home, /is damaged/);
  const done = JSON.parse((await rebuilt(home, "--json")).stdout);
  assertEquals(done.jobs, dry.jobs);
  const lost = done.jobs.filter(({ fate }: { fate: string }) => fate === "lost");
  assert(
    lost.length > 0 && lost.length < 30,
    JSON.stringify({ ...done, jobs: 0, at: at / PAGE }) + lost.length,
  );
  await home.start("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  const kept = ids.filter((id) => !lost.some((job: { id: number }) => job.id === id));
  const jobs = await Promise.all(kept.map((id) => home.wait(id)));
  assertEquals(jobs.map(({ exitCode }) => exitCode), kept.map((id) => id === hold ? "5:0" : "0:0"));
  assertEquals(home.lines("ran").map(Number).sort((a, b) => a - b), kept);
  assertEquals(await home.submit(["true"]), ids.at(-1)! + 1);
});

Deno.test("rebuild killed at any moment leaves a journal that is refused or whole, and can be repeated", async () => {
  await using home = await Home.start("--cpus", "1");
  const hold = await home.submit(`echo $HOLDFAST_JOB_ID >> ran; ${HOLD}; exit 5`);
  const queued = await home.submit("echo $HOLDFAST_JOB_ID >> ran");
  await home.running(hold);
  await home.crash();
  const calls = "linkat,link,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,mkdir";
  let killed = 0;
  for (let at = 1;; at++) {
    const { code } = await new Deno.Command("strace", {
      args: ["-f", "-qq", "-e", `trace=${calls}`, "-e", `inject=${calls}:signal=SIGKILL:when=${at}`]
        .concat(Deno.env.get("HOLDFAST_BIN") ?? "dist/holdfast", "rebuild", "--force"),
      env: home.environment,
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).output();
    if (code === 0) break;
    killed++;
    assert(at < 200);
    const look = () => rebuilt(home, "--dry-run", "--force");
    const { stdout } = await untouched([home.state], look);
    assertMatch(stdout, /jobs would be kept: 2; found by their runs: 0/, `killed at call ${at}`);
  }
  assert(killed > 8);
  await home.start("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(hold)).exitCode, "5:0");
  assertEquals((await home.wait(queued)).exitCode, "0:0");
  assertEquals(home.lines("ran"), [String(hold), String(queued)]);
  assert(!names(home).includes("rebuild.scratch"));
});
