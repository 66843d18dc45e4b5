/** Where a supervisor lives, on the compiled binary: directories, the socket and the settings it refuses. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, IS_ROOT, until } from "./home.ts";

Deno.test("a directory in which others keep their things is refused and stays as it was", async () => {
  await using home = new Home();
  Deno.mkdirSync(`${home.state}/runs`, { recursive: true, mode: 0o755 });
  Deno.chmodSync(home.state, 0o755);
  Deno.writeTextFileSync(`${home.state}/thesis.tex`, "mine");
  for (const verb of [["daemon"], ["recover", "--dry-run"], ["rebuild"]]) {
    const { code, stderr } = await home.run(...verb);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /state directory \/\S+\/state holds thesis\.tex, .* --state-dir/);
  }
  assertEquals(Deno.statSync(home.state).mode! & 0o777, 0o755);
  assertEquals([...Deno.readDirSync(home.state)].map(({ name }) => name).sort(), [
    "runs",
    "thesis.tex",
  ]);
});

Deno.test("an empty directory, or a new file system's, becomes the supervisor's", async () => {
  await using home = new Home();
  Deno.mkdirSync(`${home.state}/lost+found`, { recursive: true, mode: 0o755 });
  await home.start();
  assertEquals(Deno.statSync(home.state).mode! & 0o777, 0o700);
  // With its journal there it stays ours, whatever else somebody puts there.
  Deno.writeTextFileSync(`${home.state}/note`, "");
  await home.restart();
});

Deno.test("a directory that cannot be made or used is refused with its name and its flag", async () => {
  await using home = new Home();
  const file = `${home.directory}/file`;
  Deno.writeTextFileSync(file, "");
  const long = `${home.directory}/${"x".repeat(100)}`;
  const cases: [string, string, RegExp][] = [
    [
      "--state-dir",
      file,
      /the state directory \S+\/file cannot be written: Not a dir.*--state-dir or state_dir/,
    ],
    ["--state-dir", `${file}/state`, /the state directory \S+\/file\/state cannot be made: /],
    [
      "--runtime-dir",
      file,
      /the runtime directory \S+\/file cannot be written: .*--runtime-dir or/,
    ],
    ["--runtime-dir", "/proc/holdfast", /the runtime directory \/proc\/holdfast cannot be made: /],
    ["--runtime-dir", "/proc/sys", /the runtime directory \/proc\/sys cannot be written: /],
    ["--runtime-dir", long, /the runtime directory \S+ is too long: .* 99 bytes/],
  ];
  for (const [flag, path, expected] of cases) {
    const { code, stderr } = await home.run("daemon", flag, path);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, expected);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
  }
});

/** A path of so many bytes. */
function below(directory: string, bytes: number): string {
  let path = directory;
  while (bytes - path.length > 201) path += `/${"x".repeat(199)}`;
  return `${path}/${"x".repeat(bytes - path.length - 1)}`;
}

Deno.test("a place whose path is too long is refused with its limit before anything is made", async () => {
  await using home = new Home();
  const deep = (length: number) => below(home.directory, length);
  const link = `${home.directory}/link`;
  Deno.mkdirSync(deep(600), { recursive: true });
  Deno.symlinkSync(deep(600), link);
  const before = [...Deno.readDirSync(home.directory)].length;
  const cases: [string, string, RegExp][] = [
    ["--state-dir", deep(478), /state directory \S+ is too long: .* 477 bytes, and has 478; give/],
    ["--state-dir", link, /state directory \S+\/link is too long: .* 477 bytes, and has 600; give/],
    [
      "--runtime-dir",
      deep(100),
      /runtime directory \S+ is too long: .* 99 bytes, and has 113; give/,
    ],
  ];
  const verbs = [["daemon"], ["daemon", "--check"], ["recover", "--dry-run"], ["rebuild"]];
  for (const [flag, path, expected] of cases) {
    for (const verb of verbs) {
      const { code, stdout, stderr } = await home.run(...verb, flag, path);
      assertEquals([code, stdout], [2, ""], stderr);
      assertMatch(stderr, expected);
    }
  }
  assertEquals([...Deno.readDirSync(home.directory)].length, before);
  assertEquals([...Deno.readDirSync(deep(600))], []);
});

Deno.test("a state directory of the longest path holds jobs, and is rebuilt", async () => {
  await using home = new Home();
  const path = below(home.directory, 477);
  await home.start("--state-dir", path);
  assertEquals((await home.wait(await home.submit("exit 7"))).exitCode, "7:0");
  await home.signal("SIGTERM");
  const { code, stdout, stderr } = await home.run("rebuild", "--force", "--state-dir", path);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /jobs kept: 1;/);
  await home.start("--state-dir", path);
  assertEquals((await home.status(1)).exitCode, "7:0");
});

Deno.test("a check tells what is wrong, makes nothing and starts nothing", async () => {
  await using home = new Home();
  const sound = await home.run("daemon", "--check");
  assertEquals([sound.code, sound.stderr], [0, ""]);
  assertMatch(sound.stdout, /^holdfast \S+ .*: the configuration can be used$/m);
  const wrong = await home.run("daemon", "--check", "--retention", "soon");
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /^holdfast: --retention: "soon" is not a duration/);
  assertEquals([...Deno.readDirSync(home.directory)], []);
});

Deno.test("a directory of another user is refused", { ignore: !IS_ROOT }, async () => {
  await using home = new Home();
  Deno.mkdirSync(home.state, { mode: 0o700 });
  const { code, stderr } = await home.runAs({ uid: 65534 }, "daemon");
  assertEquals(code, 2);
  assertMatch(stderr, /the state directory \S+ cannot be written: Permission denied; give another/);
});

Deno.test("a log setting that does not exist is refused with those that do", async () => {
  await using home = new Home();
  const cases: [Record<string, string>, RegExp][] = [
    [{ LOG_LEVEL: "loud" }, /LOG_LEVEL: "loud" is none of DEBUG, INFO, WARN, WARNING, ERROR/],
    [{ LOG_FORMAT: "xml" }, /LOG_FORMAT: "xml" is none of text, json/],
  ];
  for (const [env, expected] of cases) {
    const { code, stderr } = await home.runAs({ env }, "daemon", "--burst");
    assertEquals(code, 2);
    assertMatch(stderr, expected);
  }
  const given = { LOG_LEVEL: "info", LOG_FORMAT: "" };
  assertMatch((await home.runAs({ env: given }, "daemon", "--burst")).stderr, /INFO ended/);
});

Deno.test("a client's buffers cannot be made too small to speak", async () => {
  await using home = new Home();
  for (const key of ["max-message", "max-unread"]) {
    const { code, stderr } = await home.run("daemon", `--${key}`, "4095");
    assertEquals(code, 2);
    assertMatch(stderr, new RegExp(`--${key}: "4095" is not a size from 4096 `));
  }
  await home.start("--max-message", "4K", "--max-unread", "4K");
  assert(await home.answers());
});

Deno.test("a socket at which another supervisor answers is left to it, and nothing is begun", async () => {
  await using home = await Home.start();
  const other = `${home.directory}/other`;
  const { code, stderr } = await home.run("daemon", "--state-dir", other);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    new RegExp(
      `another supervisor, pid ${home.pid}, listens at \\S+/control.sock; .*--runtime-dir`,
    ),
  );
  assertEquals([...Deno.readDirSync(other)].map(({ name }) => name), ["lock"]);
  assert(await home.answers());
});

Deno.test("of two supervisors that start at once one has the socket, the other is refused", async () => {
  for (let round = 0; round < 5; round++) {
    await using one = new Home();
    await using two = new Home();
    one.launch([]);
    two.launch(["--runtime-dir", one.runtime]);
    const refused = await Promise.race([
      one.ended().then((code) => ({ home: one, code })),
      two.ended().then((code) => ({ home: two, code })),
    ]);
    assertEquals(refused.code, 1, refused.home.log);
    assertMatch(refused.home.log, /another supervisor, pid \d+, listens at/);
    await until("the other answers", () => one.answers());
  }
});

Deno.test("what another program keeps at the socket's path is not replaced", async () => {
  await using home = new Home();
  Deno.mkdirSync(home.runtime);
  Deno.writeTextFileSync(home.socket, "mine");
  const file = await home.run("daemon");
  assertEquals([file.code, Deno.readTextFileSync(home.socket)], [1, "mine"]);
  assertMatch(file.stderr, /control\.sock is not a socket; move it away, or .*--runtime-dir/);
  Deno.removeSync(home.socket);
  using _listener = Deno.listen({ transport: "unix", path: home.socket });
  const program = await home.run("daemon");
  assertEquals(program.code, 1);
  assertMatch(program.stderr, new RegExp(`another program, pid ${Deno.pid}, answers at`));
});

Deno.test("a supervisor that ends removes its socket, and no other that has taken the place", async () => {
  await using home = await Home.start();
  assertEquals(await home.signal("SIGTERM"), 0);
  assertEquals([...Deno.readDirSync(home.runtime)].map(({ name }) => name), ["control.sock.lock"]);
  await home.start();
  Deno.removeSync(home.socket);
  using _listener = Deno.listen({ transport: "unix", path: home.socket });
  assertEquals(await home.signal("SIGTERM"), 0);
  assert(Deno.lstatSync(home.socket).isSocket);
});

Deno.test("a socket that a killed supervisor has left is no obstacle", async () => {
  await using home = await Home.start();
  await home.crash();
  assert(Deno.lstatSync(home.socket).isSocket);
  await home.start();
  assertEquals((await home.run("upgrade")).code, 0);
  assert(await home.answers());
});

Deno.test({
  name: "on a disk from which nothing can be executed jobs run all the same",
  ignore: !IS_ROOT,
  fn: async () => {
    await using home = new Home();
    Deno.mkdirSync(home.state);
    const mount = 'mount -t tmpfs -o noexec,mode=700 tmpfs "$0" && exec "$@"';
    home.launch([], ["unshare", "--mount", "sh", "-c", mount, home.state]);
    await until("a supervisor answers", () => home.answers());
    const { state, exitCode } = await home.wait(await home.submit("exit 3"));
    assertEquals([state, exitCode], ["FAILED", "3:0"]);
  },
});
