/** The supervisor's own life, on the compiled binary: starts, ends, refusals, a failing journal. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, IS_ROOT, until } from "./home.ts";

Deno.test("a second supervisor on the same state directory is refused with the first one's pid", async () => {
  await using home = await Home.start();
  const { code, stderr } = await home.run("daemon");
  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`another supervisor, pid ${home.pid}, holds .*/state/lock`));
  assert(await home.answers());
});

Deno.test("SIGTERM hands over: jobs run on and the next supervisor adopts them", async () => {
  await using home = await Home.start();
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  const { pid } = await home.running(id);
  assertEquals(await home.signal("SIGTERM"), 0);
  await home.start();
  assertEquals((await home.status(id)).pid, pid);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "3:0");
});

Deno.test("with on-stop terminate SIGTERM ends every job first; queued ones stay queued", async () => {
  await using home = await Home.start("--on-stop", "terminate", "--cpus", "1");
  const running = await home.submit(["sleep", "1000"]);
  const queued = await home.submit(["true"]);
  await home.running(running);
  assertEquals(await home.signal("SIGTERM"), 0);
  assertEquals(home.processes(), []);
  await home.start();
  const job = await home.wait(running);
  assertEquals([job.state, job.reason, job.released], ["FAILED", "shutdown", true]);
  assertEquals((await home.wait(queued)).state, "COMPLETED");
});

Deno.test("with burst the supervisor ends when the queue is empty and nothing runs", async () => {
  await using home = await Home.start("--cpus", "1");
  for (let i = 0; i < 3; i++) await home.submit("echo ran >> ran");
  await home.crash();
  home.launch(["--burst"]);
  assertEquals(await home.ended(), 0);
  assertEquals(home.lines("ran").length, 3);
});

Deno.test("a drained node takes and starts no jobs, over restarts too, until resume", async () => {
  await using home = await Home.start("--cpus", "1");
  const running = await home.submit("while [ ! -e go ]; do sleep 0.05; done");
  const queued = await home.submit(["true"]);
  await home.running(running);
  await home.run("drain");
  assertEquals((await home.run("submit", "true")).code, 5);
  await home.restart("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await home.wait(running);
  assertEquals((await home.status(queued)).state, "QUEUED");
  await home.run("resume");
  assertEquals((await home.wait(queued)).state, "COMPLETED");
});

Deno.test("upgrade replaces the supervisor in the same process; jobs go on", async () => {
  await using home = await Home.start();
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  await home.running(id);
  const before = (await home.use((client) => client.call("Node", {}))).node;
  assertEquals((await home.run("upgrade")).code, 0);
  const after = (await home.use((client) => client.call("Node", {}))).node;
  assertEquals([after.pid, after.startedAt === before.startedAt], [before.pid, false]);
  assertEquals(after.recovery.adopted, 1);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "3:0");
  const later = await home.wait(await home.submit("ulimit -n"));
  assertEquals(home.stdout(later.id), home.stdout(later.id).trim() + "\n");
});

Deno.test(
  "as PID 1 it reaps orphans and ends its jobs on SIGTERM",
  { ignore: !IS_ROOT },
  async () => {
    await using home = new Home();
    home.launch([], ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    await until("it answers", () => home.answers());
    const id = await home.submit(
      "setsid sh -c 'sleep 0.1 & exit 0' & sleep 0.5; ps -e -o stat= | grep -c Z",
    );
    await home.wait(id);
    assertEquals(home.stdout(id).trim(), "0", "no zombie is left");
    const running = await home.submit(["sleep", "1000"]);
    const { pid } = await home.running(running);
    assert(pid! < 1000, "it runs in the pid namespace");
    // unshare passes no signal on: the supervisor is its child.
    const inside = await until("its pid is known", () => {
      const [found] = home.processes().filter((pid) =>
        /holdfast/.test(cmdline(pid)) && /daemon/.test(cmdline(pid))
      );
      return found;
    });
    Deno.kill(inside, "SIGTERM");
    assertEquals(await home.ended(), 0);
    assertEquals(home.processes(), []);
    await home.start();
    const job = await home.wait(running);
    assertEquals([job.reason, job.released], ["shutdown", true]);
  },
);

Deno.test("the log is one line an event, as JSON where asked, with priorities under journald", async () => {
  await using home = new Home();
  const env = { LOG_FORMAT: "json", LOG_LEVEL: "INFO" };
  const { stderr } = await home.runAs({ env }, "daemon", "--burst");
  const events = stderr.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(events.map(({ event }) => event), ["cgroups", "recovered", "listening", "ended"]);
  const journal = await home.runAs(
    { env: { LOG_LEVEL: "INFO", JOURNAL_STREAM: "8:1" } },
    "daemon",
    "--burst",
  );
  assertMatch(journal.stderr, /^<6>INFO cgroups .*\n<6>INFO recovered at=/);
  const quiet = await home.runAs({ env: { LOG_LEVEL: "ERROR" } }, "daemon", "--burst");
  assertEquals(quiet.stderr, "");
});

Deno.test("more interrupted jobs than the threshold raise an alert", async () => {
  await using home = await Home.start();
  for (let i = 0; i < 3; i++) await home.running(await home.submit(["sleep", "1000"]));
  await home.crash();
  for (const pid of home.processes()) Deno.kill(pid, "SIGKILL");
  await home.start("--alert-above", "2");
  assertMatch(home.log, /ALERT many jobs were interrupted interrupted=3/);
});

Deno.test("a wrong configuration is refused with its line", async () => {
  await using home = new Home();
  const config = `${home.directory}/holdfast.toml`;
  const cases: [string, RegExp][] = [
    ["cpus = 2\nspeed = 9\n", /holdfast\.toml:2: unknown key "speed"; the keys are/],
    ["# a line\nretention = 'soon'\n", /holdfast\.toml:2: retention: "soon" is not a duration/],
    ["cpus = = 2\n", /holdfast\.toml:1: /],
    ["cpus = 2\n[max_limits]\nopen_files = 9\n", /holdfast\.toml:3: max_limits: open-files must/],
    ["nice = 2\nmax_limits = { nice = 99 }\n", /holdfast\.toml:1: unknown key "nice"/],
    ["cpus = 2\nmax_limits = { nice = 99 }\n", /holdfast\.toml:2: max_limits: nice must/],
    ["cpus = 2\nmax_limits.nice = 99\n", /holdfast\.toml:2: max_limits: nice must/],
  ];
  for (const [text, expected] of cases) {
    Deno.writeTextFileSync(config, text);
    const { code, stderr } = await home.run("daemon", "--config", config);
    assertEquals(code, 2);
    assertMatch(stderr, expected);
  }
  const flag = await home.run("daemon", "--cpus", "none");
  assertMatch(flag.stderr, /--cpus: "none" is not a whole number/);
});

Deno.test("a damaged journal, or one of a newer version, is refused and not touched", async () => {
  await using home = new Home();
  Deno.mkdirSync(home.state);
  const path = `${home.state}/journal.db`;
  Deno.writeTextFileSync(path, "this is no database".repeat(1000));
  const damaged = await home.run("daemon");
  assertEquals(damaged.code, 1);
  assertMatch(
    damaged.stderr,
    /the journal .*journal\.db is damaged: .*; nothing was changed/,
  );
  assertEquals(Deno.readTextFileSync(path).length, 19_000);
  Deno.removeSync(path);
  await home.start();
  await home.crash();
  home.edit("PRAGMA user_version = 99");
  assertMatch((await home.run("daemon")).stderr, /has schema 99, .*start the newer holdfast/);
});

Deno.test(
  "with a full disk jobs are refused and running ones go on; with space all is well again",
  { ignore: !IS_ROOT },
  async () => {
    await using home = new Home();
    Deno.mkdirSync(home.state);
    await mount(["-t", "tmpfs", "-o", "size=4m", "tmpfs", home.state]);
    try {
      await home.start();
      const running = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 7");
      await home.running(running);
      fill(`${home.state}/filler`);
      const refused = await home.submit(["true"]).catch((error) => error.name);
      assertEquals(refused, "JournalUnavailable");
      assertMatch((await home.use((client) => client.call("Node", {}))).node.degraded!, /full/);
      assertEquals((await home.status(running)).state, "RUNNING");
      Deno.writeTextFileSync(`${home.directory}/go`, "");
      Deno.removeSync(`${home.state}/filler`);
      assertEquals((await home.wait(running)).exitCode, "7:0");
      const later = await until("jobs are taken again", () => home.submit(["true"]).catch(() => 0));
      assertEquals((await home.wait(later)).state, "COMPLETED");
      assertEquals((await home.use((client) => client.call("Node", {}))).node.degraded, undefined);
    } finally {
      await home.crash().catch(() => {});
      for (const pid of home.processes()) Deno.kill(pid, "SIGKILL");
      await until(
        "it can be unmounted",
        async () =>
          (await new Deno.Command("umount", { args: [home.state], stderr: "null" }).output())
            .success,
      );
    }
  },
);

Deno.test("the binary runs alone, without setsid(1) and with nothing but /bin/sh", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  const root = `${home.directory}/root`;
  for (const place of ["bin", "lib64", "proc", "dev", "tmp"]) {
    Deno.mkdirSync(`${root}/${place}`, { recursive: true });
  }
  const libraries = new TextDecoder().decode(
    (await new Deno.Command("ldd", { args: [BINARY] }).output()).stdout,
  )
    .match(/\/\S+/g)!.concat(["/lib/x86_64-linux-gnu/libc.so.6"]);
  for (const library of libraries) {
    Deno.mkdirSync(`${root}${library.slice(0, library.lastIndexOf("/"))}`, { recursive: true });
    Deno.copyFileSync(library, `${root}${library}`);
  }
  Deno.copyFileSync("/bin/sh", `${root}/bin/sh`);
  Deno.copyFileSync(BINARY, `${root}/holdfast`);
  await mount(["--bind", "/proc", `${root}/proc`]);
  await mount(["--bind", "/dev", `${root}/dev`]);
  try {
    const script =
      `/holdfast daemon --state-dir /s --runtime-dir /r & while ! /holdfast node --socket /r/control.sock >/dev/null 2>&1; do :; done
      /holdfast run --socket /r/control.sock --timeout 20 sh -c 'echo alone; exit 7'; code=$?; kill -TERM %1 2>/dev/null || kill -TERM $!; wait; exit $code`;
    const { code, stdout, stderr } = await new Deno.Command("/usr/sbin/chroot", {
      args: [root, "/bin/sh", "-c", script],
      env: { ...home.environment, PATH: "/bin" },
      clearEnv: true,
    }).output();
    assertEquals(
      [code, new TextDecoder().decode(stdout)],
      [7, "alone\n"],
      new TextDecoder().decode(stderr),
    );
  } finally {
    for (const place of ["proc", "dev"]) {
      await new Deno.Command("umount", { args: [`${root}/${place}`] }).output();
    }
  }
});

async function mount(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("mount", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const chunk = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(chunk);
  } catch {
    // It is full.
  }
}

function cmdline(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
  } catch {
    return "";
  }
}
