/** What only looks, on the compiled binary: it changes nothing, sees everything, and leaves nothing. */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { MIGRATIONS } from "../../src/store/schema.ts";
import { Disk } from "./disk.ts";
import { BINARY, Home, IS_ROOT, type Output, until } from "./home.ts";
import { untouched } from "./untouched.ts";

const CHECK = ["daemon", "--check"];
const PLAN = ["recover", "--dry-run"];
const REBUILD = ["rebuild", "--dry-run"];
const FORCED = [...REBUILD, "--force"];
const HOLD = "while [ ! -e go ]; do sleep 0.05; done";
const NOBODY = 65534;

/** Each verb that only looks, on a state directory that must stay as it is. */
async function looks(home: Home, go = (...words: string[]) => home.run(...words)) {
  const outputs: Output[] = [];
  for (const words of [CHECK, PLAN, REBUILD, FORCED]) {
    outputs.push(await untouched([home.state, home.runtime], () => go(...words)));
  }
  return outputs as [check: Output, plan: Output, rebuild: Output, forced: Output];
}

/** Job 1 runs, 2 has ended, 3 waits, and all of that is in the write-ahead log of a killed supervisor. */
async function killed(): Promise<Home> {
  const home = await Home.start("--cpus", "1");
  await home.running(await home.submit(HOLD));
  await home.cancel(await home.submit("exit 0"));
  await home.submit("exit 0");
  await home.crash();
  assert(Deno.statSync(`${home.state}/journal.db-wal`).size > 0);
  return home;
}

function assertSeen([check, plan, rebuild, forced]: Output[]): void {
  assertEquals([check!.code, plan!.code, rebuild!.code, forced!.code], [0, 0, 0, 0]);
  assertMatch(plan!.stdout, /^1 {2}RUNNING {2}adopted: it runs as pid \d+\n3 {2}QUEUED {2}kept: /);
  assertEquals(rebuild!.stdout, "the journal is sound; nothing was done\n");
  assertMatch(forced!.stdout, /jobs would be kept: 3; found by their runs: 0; .*lost: 0\n/);
}

Deno.test("what only looks leaves all that a killed supervisor has left as it was, and sees its write-ahead log", async () => {
  await using home = await killed();
  assertSeen(await looks(home));
  await home.start("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(1)).exitCode, "0:0");
  assertEquals((await home.wait(3)).exitCode, "0:0");
});

Deno.test("what only looks reads a journal of an older version, and does not migrate it", async () => {
  await using home = new Home();
  Deno.mkdirSync(home.state, { mode: 0o700 });
  Deno.mkdirSync(home.runtime);
  using database = new DatabaseSync(`${home.state}/journal.db`);
  const spec = {
    command: ["true"],
    cpus: 1,
    memory: 0,
    timeout: 9,
    grace: 1,
    priority: 0,
    after: [],
  };
  database.exec(`${MIGRATIONS[0]}; PRAGMA user_version = 1; INSERT INTO jobs
    (uid, spec, state, submitted_at) VALUES (0, '${JSON.stringify(spec)}', 'QUEUED', 1000)`);
  database.close();
  const [check, plan, rebuild, forced] = await looks(home);
  assertEquals([check.code, plan.code, rebuild.code, forced.code], [0, 0, 0, 0]);
  assertMatch(plan.stdout, /^1 {2}QUEUED {2}kept: it waits for its turn\n/);
  assertEquals(rebuild.stdout, "the journal is sound; nothing was done\n");
  assertMatch(forced.stdout, /jobs would be kept: 1; /);
  await home.start();
  assertEquals((await home.wait(1)).exitCode, "0:0");
});

Deno.test("what only looks makes nothing where nothing is", async () => {
  await using home = new Home();
  const [check, ...others] = await untouched([home.directory], async () => [
    await home.run(...CHECK),
    await home.run(...PLAN),
    await home.run(...REBUILD),
  ]);
  assertEquals(check!.code, 0, check!.stderr);
  for (const { code, stderr } of others) {
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /^holdfast: the state directory \S+ cannot be read: No such file.* --state-dir/,
    );
  }
  Deno.mkdirSync(home.state);
  Deno.mkdirSync(home.runtime);
  const [, plan, rebuild] = await looks(home);
  assertEquals([plan.code, rebuild.code], [0, 0], plan.stderr + rebuild.stderr);
  assertMatch(plan.stdout, /^0 kept, /);
});

Deno.test("a journal that is damaged, or gone, is refused by a look as it is by a start", async () => {
  await using home = await killed();
  const log = Deno.readFileSync(`${home.state}/journal.db-wal`);
  Deno.removeSync(`${home.state}/journal.db-wal`);
  const plan = await untouched([home.state], () => home.run(...PLAN));
  const start = await home.run("daemon", "--burst");
  assertEquals([plan.code, plan.stderr], [1, start.stderr]);
  assertMatch(plan.stderr, /state\/journal\.db-wal is missing: .*holdfast rebuild --state-dir /);
  const rebuild = await untouched([home.state], () => home.run(...REBUILD));
  assertMatch(rebuild.stdout, /state\/journal\.db-wal is missing.*\n(.*\n)*nothing was changed\n$/);
  Deno.writeFileSync(`${home.state}/journal.db-wal`, log);
  Deno.writeTextFileSync(`${home.state}/journal.db`, "no database".repeat(1000));
  const damaged = await untouched([home.state], () => home.run(...PLAN));
  assertMatch(
    damaged.stderr,
    /the journal \S+\/state\/journal\.db is damaged: it is not a database/,
  );
});

Deno.test("a journal of a newer version is refused by a look, which leaves it as it is", async () => {
  await using home = await Home.start();
  await home.signal("SIGTERM");
  home.edit("PRAGMA user_version = 99");
  const [, plan, rebuild] = await looks(home);
  for (const { code, stderr } of [plan, rebuild]) {
    assertEquals(code, 1);
    assertMatch(stderr, /the journal \S+\/state\/journal\.db has schema 99, .*start the newer/);
  }
});

Deno.test("beside a supervisor a look is refused with its pid, and changes nothing", async () => {
  await using home = await Home.start();
  await until("its ballast is there", () => names(home.state).includes("reserve"));
  for (const words of [PLAN, REBUILD]) {
    const { code, stderr } = await untouched(
      [`${home.state}/lock`, `${home.state}/journal.db`, `${home.state}/runs`],
      () => home.run(...words),
    );
    assertEquals(code, 1);
    assertMatch(stderr, new RegExp(`another supervisor, pid ${home.pid}, holds \\S+/state/lock`));
  }
});

Deno.test("a check beside a supervisor, and the trial of a successor that is refused, change nothing", async () => {
  await using home = new Home();
  const config = `${home.directory}/holdfast.toml`;
  Deno.writeTextFileSync(config, "");
  await home.start("--config", config);
  await home.wait(await home.submit("exit 3"));
  await until("its ballast is there", () => names(home.state).includes("reserve"));
  await untouched([home.state, home.runtime], async () => {
    assertEquals((await home.run(...CHECK, "--config", config)).code, 0);
    Deno.writeTextFileSync(config, 'retention = "soon"\n');
    const { code, stderr } = await home.run("upgrade");
    assertEquals(code, 1);
    assertMatch(stderr, /it would not start: .*"soon" is not a duration/);
  });
});

Deno.test("a start that meets a look waits for it, and is not refused", async () => {
  await using home = await Home.start();
  await home.crash();
  const lock = `${home.state}/lock`;
  const asking = home.spawn("flock", ["--shared", lock, "sleep", "0.5"]);
  await until("the lock is shared", () => !isFree(lock));
  await home.start();
  assertEquals((await asking.status).code, 0);
  assertEquals(Deno.readTextFileSync(lock), `${home.pid}\n`);
  await home.crash();
  let isOver = false;
  const looking = Array.from({ length: 2 }, async () => {
    while (!isOver) await home.run(...PLAN);
  });
  for (let round = 0; round < 10; round++) {
    await home.start();
    await home.crash();
  }
  isOver = true;
  await Promise.all(looking);
  assert(!/another supervisor/.test(home.log), home.log);
});

Deno.test("a look works where the state directory cannot be written by who looks", async () => {
  await using home = await killed();
  await quiet(home);
  const uid = IS_ROOT ? NOBODY : undefined;
  if (IS_ROOT) {
    const args = ["-R", `${NOBODY}`, home.state, home.runtime];
    assert((await new Deno.Command("chown", { args }).output()).success);
  }
  const setMode = (write: string) =>
    new Deno.Command("chmod", { args: ["-R", `u${write}w`, home.state] }).outputSync();
  setMode("-");
  try {
    const [check, plan, rebuild, forced] = await looks(
      home,
      (...words) => home.runAs({ uid, env: { HOME: "/" } }, ...words),
    );
    // It says what a start would say.
    assertEquals(check.code, 2);
    assertMatch(check.stderr, /the state directory \S+ cannot be written: Permission denied/);
    assertMatch(plan.stdout, /^1 {2}RUNNING {2}\w+: .*\n3 {2}QUEUED {2}kept: /, plan.stderr);
    assertEquals(rebuild.stdout, "the journal is sound; nothing was done\n", rebuild.stderr);
    assertMatch(forced.stdout, /jobs would be kept: 3; /);
  } finally {
    setMode("+");
  }
});

Deno.test(
  "a look works on a file system that is mounted read-only",
  { ignore: !IS_ROOT },
  async () => {
    await using home = await killed();
    const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    const outputs = await looks(home, (...words) => {
      const wrapper = ["--mount", "sh", "-c", script, home.state, BINARY];
      return outputOf(home, "unshare", [...wrapper, ...words]);
    });
    const [check, ...others] = outputs;
    assertMatch(check.stderr, /the state directory \S+ cannot be written: Read-only file system/);
    assertSeen([{ ...check, code: 0 }, ...others]);
  },
);

Deno.test("the copy that a look reads is its user's alone, and is gone at the end, however that comes", async () => {
  await using home = await killed();
  const TMPDIR = `${home.directory}/tmp`;
  Deno.mkdirSync(TMPDIR);
  const env = { TMPDIR };
  for (const words of [PLAN, REBUILD, FORCED]) {
    await home.runAs({ env }, ...words);
    assertEquals(names(TMPDIR), []);
  }
  // Who copies this waits for somebody to write into it.
  const mark = `${home.state}/journal.db-open`;
  Deno.removeSync(mark);
  assert((await new Deno.Command("mkfifo", { args: [mark] }).output()).success);
  for (const words of [PLAN, REBUILD]) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const looking = new Deno.Command(BINARY, {
        args: words,
        env: { ...home.environment, ...env },
        clearEnv: true,
        stdout: "null",
        stderr: "null",
      }).spawn();
      const copied = () => names(TMPDIR).map((name) => `${TMPDIR}/${name}`).find(isFull);
      const directory = await until("the journal is copied", copied);
      assertEquals(Deno.statSync(directory).mode! & 0o777, 0o700);
      looking.kill(signal);
      assertEquals((await looking.status).signal, signal);
      assertEquals(names(TMPDIR), []);
    }
  }
});

Deno.test("where a look has no room or place for its copy it says so, and that TMPDIR names another", async () => {
  await using home = await killed();
  const refused = async (TMPDIR: string, why: RegExp) => {
    for (const words of [PLAN, REBUILD]) {
      const { code, stderr } = await untouched(
        [home.state],
        () => home.runAs({ env: { TMPDIR } }, ...words),
      );
      assertEquals(code, 1, stderr);
      assertMatch(stderr, why);
      assertMatch(stderr, /; name another directory in TMPDIR, as TMPDIR=\/var\/tmp\n$/);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
    }
  };
  await refused(`${home.directory}/none`, /^holdfast: \S+\/none cannot be used: No such file/);
  await refused(home.state, /^holdfast: \S+\/state is in \S+\/state, which is not to be changed/);
  await refused(`${home.state}/runs`, /\/state\/runs is in \S+\/state, which is not to be changed/);
});

Deno.test(
  "on a disk that has room for a part of it a look finds no damage, but no room",
  { ignore: !IS_ROOT },
  async () => {
    await using home = await killed();
    const bytes = ["", "-wal"].map((end) => Deno.statSync(`${home.state}/journal.db${end}`).size);
    const pages = Math.ceil((bytes[0]! + bytes[1]!) / 4096);
    const seen = new Set<number>();
    for (let size = 1; size < 5 * pages; size += Math.ceil(pages / 2)) {
      await using disk = await Disk.mount(`${home.directory}/small`, `size=${size * 4}k`);
      for (const words of [PLAN, REBUILD]) {
        const look = () => home.runAs({ env: { TMPDIR: disk.path } }, ...words);
        const { code, stdout, stderr } = await untouched([home.state], look);
        seen.add(code);
        if (code === 0) assertMatch(stdout, /^1 {2}RUNNING {2}adopted|^the journal is sound;/);
        else assertMatch(stderr, /^holdfast: \S+\/small has no room for a copy of the journal /);
        assertEquals(names(disk.path), []);
      }
    }
    assertEquals([...seen].sort(), [0, 1]);
  },
);

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

function isFull(directory: string): boolean {
  return names(directory).includes("journal.db-wal");
}

function isFree(lock: string): boolean {
  return new Deno.Command("flock", { args: ["--nonblock", lock, "true"] }).outputSync().success;
}

/** Waits until its jobs write nothing any more. */
async function quiet(home: Home): Promise<void> {
  await until("its claim is signed", () => {
    return Deno.readTextFileSync(`${home.state}/runs/1/claim`).endsWith("\n");
  });
}

async function outputOf(home: Home, program: string, args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: home.environment,
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
