/** Whatever becomes of who reads the log, the supervisor serves on, and tells how much was lost. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, IS_ROOT, soon, until } from "./home.ts";

/** Jobs of whose ends the lines fill a pipe, and a pipe and what waits for it. */
const SOME = 1500, MANY = 5500, AT_ONCE = 500;

/** Starts a supervisor whose standard error is what a script makes of it; `$@` is its command. */
function launch(home: Home, script: string, uid?: number): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", BINARY, "daemon", "--cpus", "8"],
    env: home.environment,
    clearEnv: true,
    cwd: home.directory,
    uid,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function pidOf(home: Home): Promise<number> {
  await until("it answers", () => home.answers());
  return (await home.use((client) => client.call("Node", {}))).node.pid;
}

/** Has it write that much, and answer all the while. */
async function chatter(home: Home, jobs: number): Promise<void> {
  const spec = { command: ["true"], hold: true };
  await home.use(async (client) => {
    for (let count = 0; count < jobs; count += AT_ONCE) {
      const calls = Array.from({ length: AT_ONCE }, () => client.call("Submit", { spec }));
      const submitted = await soon(Promise.all(calls), "a submission");
      const cancelled = submitted.map(({ job: { id } }) => client.call("Cancel", { id }));
      await soon(Promise.all(cancelled), "a cancel");
    }
  });
}

async function end(home: Home, child: Deno.ChildProcess): Promise<void> {
  Deno.kill(await pidOf(home), "SIGTERM");
  await soon(child.status, "SIGTERM");
}

Deno.test("nobody reads the pipe: it serves, drops, counts and tells", async () => {
  await using home = new Home();
  const fifo = `${home.directory}/fifo`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  using reader = Deno.openSync(fifo, { read: true, write: true });
  const child = launch(home, 'exec "$@" 2>fifo');
  await pidOf(home);
  await chatter(home, MANY);
  // Whoever shares the pipe finds it as it was.
  const flags = Deno.readTextFileSync(`/proc/${await pidOf(home)}/fdinfo/2`);
  assertEquals(parseInt(/^flags:\s*(\d+)/m.exec(flags)![1]!, 8) & 0o4000, 0);
  let text = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1 << 16);
  while (!/lines were lost/.test(text)) {
    text += decoder.decode(buffer.subarray(0, (await soon(reader.read(buffer), "a read"))!), {
      stream: true,
    });
  }
  assertMatch(text, /^\S+ ERROR \d+(,\d{3})* lines were lost lines=\d+ why=.*$/m);
  const lines = text.split("\n").slice(0, -1);
  for (const line of lines) assertMatch(line, /^\d{4}-\S+Z (DEBUG|INFO|WARN|ERROR|ALERT) /);
  // Before and after the gap the lines are whole and in their order.
  const times = lines.map((line) => line.slice(0, 24));
  assertEquals([...times].sort(), times);
  await end(home, child);
});

Deno.test("the reader of the pipe has gone: it serves on, and so does its successor", async () => {
  await using home = new Home();
  const child = launch(home, '{ "$@" 3>&-; } 2>&1 | :');
  const pid = await pidOf(home);
  await home.wait(await home.submit("true"));
  assertEquals((await home.run("upgrade")).code, 0);
  assertEquals(await pidOf(home), pid);
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  await end(home, child);
});

Deno.test("a pipe that nobody reads keeps it neither from its end nor from its successor", async () => {
  await using home = new Home();
  const child = launch(home, '{ "$@" 3>&-; } 2>&1 | exec sleep 1000');
  const pid = await pidOf(home);
  await chatter(home, SOME);
  assertEquals((await home.run("upgrade")).code, 0);
  assertEquals(await pidOf(home), pid);
  await chatter(home, SOME);
  Deno.kill(pid, "SIGTERM");
  await until("it has ended", async () => !(await home.answers()));
  await until("its process too", () => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z");
    } catch {
      return true;
    }
  });
  void child.status;
});

Deno.test("a pipe of another user's is written all the same, without waiting", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  Deno.chmodSync(home.directory, 0o777);
  const drop = "setpriv --reuid 65534 --regid 65534 --clear-groups";
  const child = launch(
    home,
    `{ ${drop} "$@" 3>&-; } 2>&1 | { until [ -e go ]; do sleep 0.1; done; exec cat >told; }`,
  );
  await pidOf(home);
  await chatter(home, MANY);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await until("it is told", () => home.lines("told").some((line) => /lines were lost/.test(line)));
  await end(home, child);
  assert(home.lines("told").some((line) => / INFO ended/.test(line)));
});

Deno.test("a disk that is full and a closed descriptor end nothing", {
  ignore: !IS_ROOT,
}, async () => {
  for (
    const script of [
      'exec "$@" 2>/dev/full',
      'exec "$@" 2>&-',
    ]
  ) {
    await using home = new Home();
    const child = launch(home, script);
    await pidOf(home);
    assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
    await end(home, child);
  }
});

Deno.test("a disk that has room again gets what follows, and is told what is missing", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  const disk = `${home.directory}/disk`;
  Deno.mkdirSync(disk);
  // Mounted for this supervisor alone.
  const child = launch(
    home,
    'exec unshare --mount sh -c \'mount -t tmpfs -o size=16k tmpfs disk && exec "$@" 2>>disk/log\' sh "$@"',
  );
  const pid = await pidOf(home);
  const inside = `/proc/${pid}/root${disk}`;
  Deno.writeTextFileSync(`${inside}/filler`, "x".repeat(12288));
  for (let i = 0; i < 100; i++) await home.cancel(await home.submit("true", { hold: true }));
  Deno.removeSync(`${inside}/filler`);
  await home.cancel(await home.submit("true", { hold: true }));
  const text = Deno.readTextFileSync(`${inside}/log`);
  assertMatch(text, /^\S+ ERROR \d+ lines were lost lines=\d+/m);
  await end(home, child);
});

Deno.test("a terminal that is stopped, or lets no background write, stops it not", async () => {
  for (const setting of ["stty tostop", "stty tostop ixon"]) {
    await using home = new Home();
    // In the background of a session whose terminal it is.
    const inner = `${setting}; set -m; ${BINARY} daemon --cpus 8 & sleep 1000`;
    const child = new Deno.Command("script", {
      args: ["-qfc", inner, `${home.directory}/typescript`],
      env: { ...home.environment, SHELL: "/bin/bash" },
      clearEnv: true,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pid = await pidOf(home);
    // Ctrl-S.
    const writer = child.stdin.getWriter();
    if (setting.includes("ixon")) await writer.write(new Uint8Array([0x13]));
    await chatter(home, SOME);
    assertMatch(Deno.readTextFileSync(`/proc/${pid}/stat`), /\) [SR] /);
    Deno.kill(pid, "SIGTERM");
    await until("it has ended", async () => !(await home.answers()));
    child.kill("SIGKILL");
    await child.status;
    await writer.close().catch(() => {});
  }
});
