/** Upgrades on the compiled binary: by what a supervisor is replaced, by what not, and from where. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, until } from "./home.ts";

Deno.test("a supervisor asked to be replaced by what cannot take its place carries on untouched", async () => {
  await using home = new Home();
  const installed = `${home.directory}/holdfast`;
  Deno.copyFileSync(BINARY, installed);
  home.launch([], [], installed);
  await until("it answers", () => home.answers());
  const { pid } = home;
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  await home.running(id);
  const before = await node(home);
  const cut = Deno.readFileSync(BINARY).subarray(0, 5_000_000);
  const cases: [(() => void) | undefined, RegExp][] = [
    [undefined, /cannot be executed: No such file or directory/],
    [() => Deno.writeTextFileSync(installed, "no program", { mode: 0o755 }), /Exec format error/],
    [() => Deno.copyFileSync(BINARY, installed), /cannot be executed: Permission denied/],
    [() => Deno.writeFileSync(installed, cut, { mode: 0o755 }), /it cannot be|it says nothing/],
    [() => Deno.copyFileSync("/bin/echo", installed), /it is not Holdfast, but says: /],
  ];
  for (const [install, expected] of cases) {
    Deno.removeSync(installed);
    install?.();
    // Copied with its mode: the third may not be executed by anyone.
    if (/Permission/.test(expected.source)) Deno.chmodSync(installed, 0o644);
    const told = count(home);
    Deno.kill(pid, "SIGHUP");
    await until("it says so", () => count(home) > told);
    assertMatch(
      home.log.trim().split("\n").findLast((line) => /not replaced/.test(line))!,
      expected,
    );
    assertEquals((await node(home)).startedAt, before.startedAt);
    if (!install) Deno.writeTextFileSync(installed, "");
  }
  Deno.removeSync(installed);
  Deno.copyFileSync(BINARY, installed);
  Deno.kill(pid, "SIGHUP");
  const after = await until("its successor answers", async () => {
    const now = await node(home).catch(() => undefined);
    return now && now.startedAt !== before.startedAt && now;
  });
  assertEquals([after.pid, after.recovery.adopted], [pid, 1]);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "3:0");
});

Deno.test("a configuration that would be refused leaves the supervisor, and upgrade says what is wrong", async () => {
  await using home = new Home();
  const path = `${home.directory}/holdfast.toml`;
  const configure = (text: string) => Deno.writeTextFileSync(path, text);
  configure('node_name = "first"\n');
  await home.start("--config", path);
  const before = await node(home);
  const cases: [string, RegExp][] = [
    ["node_name = \n", /holdfast\.toml:1: /],
    ['\nretention = "soon"\n', /holdfast\.toml:2: retention: "soon" is not a duration/],
    ["colour = 1\n", /unknown key "colour"/],
    ['runtime_dir = "/proc/sys"\n', /the runtime directory \/proc\/sys cannot be written/],
  ];
  for (const [text, expected] of cases) {
    configure(text);
    const { code, stderr } = await home.run("upgrade");
    assertEquals(code, 1, stderr);
    assertMatch(stderr, expected);
    assertMatch(
      stderr,
      new RegExp(`supervisor, holdfast \\S+, pid ${home.pid}, goes on as before`),
    );
    assertEquals((await node(home)).startedAt, before.startedAt);
    assertEquals((await home.wait(await home.submit(["true"]))).state, "COMPLETED");
  }
  configure('node_name = "second"\n');
  assertEquals((await home.run("upgrade")).code, 0);
  assertEquals((await node(home)).name, "second");
});

Deno.test("a supervisor that ends its jobs is not replaced before they have ended", async () => {
  await using home = await Home.start("--on-stop", "terminate");
  const patient = 'trap "" TERM; while [ ! -e go ]; do sleep 0.05; done';
  const id = await home.submit(patient, { grace: 1000 });
  await home.running(id);
  const ended = home.signal("SIGTERM");
  await until("it is ending", async () => (await home.status(id)).stopping === "shutdown");
  const { code, stderr } = await home.run("upgrade");
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /it ends its jobs, and then itself/);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals(await ended, 0);
  await home.start();
  assertEquals((await home.status(id)).reason, "shutdown");
});

Deno.test("a supervisor whose working directory has been removed is replaced all the same", async () => {
  await using home = new Home();
  const lost = `${home.directory}/lost`;
  Deno.mkdirSync(lost);
  Deno.writeTextFileSync(`${home.directory}/holdfast.toml`, 'node_name = "configured"\n');
  const wrapper = ["env", "-C", lost, "HOLDFAST_STATE_DIR=../state"];
  home.launch(["--config", "../holdfast.toml"], wrapper);
  await until("it answers", () => home.answers());
  Deno.removeSync(lost);
  const before = await node(home);
  const { code, stderr } = await home.run("upgrade");
  assertEquals(code, 0, stderr + home.log);
  const after = await node(home);
  assertEquals([after.pid, after.name], [before.pid, "configured"]);
  assert(after.startedAt !== before.startedAt);
  assertEquals((await home.wait(await home.submit(["true"]))).state, "COMPLETED");
});

async function node(home: Home) {
  return (await home.use((client) => client.call("Node", {}))).node;
}

function count(home: Home): number {
  return home.log.match(/ERROR not replaced /g)?.length ?? 0;
}
