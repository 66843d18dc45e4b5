/** The command line, on the compiled binary: what a person types and sees, and what a script tests. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, until } from "./home.ts";

const VERBS = [
  "daemon submit run cancel status list wait logs watch signal resubmit",
  "history node drain resume prune recover upgrade",
].join(" ").split(" ");

Deno.test("every verb has help with an example", async () => {
  await using home = new Home();
  for (const verb of VERBS) {
    const { code, stdout } = await home.run(verb, "--help");
    assertEquals(code, 0);
    assertMatch(stdout, /Examples:\n {2}\$ /, verb);
  }
});

Deno.test("without a supervisor every verb says how to start one and exits 4", async () => {
  await using home = new Home();
  for (const words of [[], ["list"], ["status", "1"], ["submit", "true"], ["node"], ["watch"]]) {
    const { code, stderr } = await home.run(...words);
    assertEquals(code, 4);
    assertMatch(
      stderr,
      /^holdfast: no supervisor answers at .*control\.sock.*\n {2}Start one with: holdfast daemon/,
    );
  }
  for (const words of [["run", "true"], ["wait", "1"]]) {
    assertEquals((await home.run(...words)).code, 125);
  }
});

Deno.test("wrong use exits 2 and points to the help", async () => {
  await using home = new Home();
  for (
    const words of [
      ["frobnicate"],
      ["submit"],
      ["status", "x"],
      ["submit", "--timeout", "-1", "true"],
      ["recover"],
      ["list", "--nothing"],
    ]
  ) {
    const { code, stderr } = await home.run(...words);
    assertEquals(code, 2, words.join(" "));
    assertMatch(stderr, /^holdfast: /);
    assert(!/\bat .*:\d+:\d+/.test(stderr), "no stack trace");
  }
});

Deno.test("submit prints the id alone; status, list and history tell the job", async () => {
  await using home = await Home.start();
  const { stdout } = await home.run("submit", "--name", "greet", "sh", "-c", "echo hello; exit 7");
  assertEquals(stdout, "1\n");
  assertEquals((await home.run("wait", "1")).code, 7);
  assertMatch((await home.run("status", "1")).stdout, /State: {6}FAILED\n(.|\n)*Exit code: {2}7:0/);
  const list = (await home.run("list")).stdout;
  assertMatch(
    list,
    /^ID {2}STATE .*COMMAND\n1 {3}FAILED {2}7:0 .*greet {2}sh -c 'echo hello; exit 7'\n$/,
  );
  // deno-lint-ignore no-control-regex
  assert(!/\x1b/.test(list), "plain when piped");
  assertEquals((await home.run("logs", "1")).stdout, "hello\n");
  assertMatch(
    (await home.run("history", "1")).stdout,
    /QUEUED\n.*STARTING\n.*RUNNING\n.*FAILED exit\n$/,
  );
});

Deno.test("--json prints the protocol's own objects and nothing else", async () => {
  await using home = await Home.start();
  const submitted = JSON.parse((await home.run("submit", "--json", "true")).stdout);
  assertEquals([submitted.created, submitted.job.id], [true, 1]);
  for (
    const words of [["wait", "1"], ["status", "1"], ["list"], ["history", "1"], ["node"], [
      "cancel",
      "1",
    ], ["prune"]]
  ) {
    const { stdout } = await home.run(...words, "--json");
    assertEquals(typeof JSON.parse(stdout), "object", words[0]);
  }
});

Deno.test("errors have their exit codes", async () => {
  await using home = await Home.start();
  assertEquals((await home.run("status", "9")).code, 3);
  assertEquals((await home.run("submit", "no-such-command")).code, 2);
  await home.run("submit", "--key", "k", "true");
  assertEquals((await home.run("submit", "--key", "k", "false")).code, 5);
  await home.wait(1);
  assertEquals((await home.run("signal", "1", "USR1")).code, 5);
  assertEquals((await home.run("signal", "1", "NOSUCH")).code, 2);
});

Deno.test("run shows the output and exits as the job", async () => {
  await using home = await Home.start();
  const ok = await home.run("run", "sh", "-c", "echo out; echo err >&2");
  assertEquals([ok.code, ok.stdout, ok.stderr], [0, "out\n", "err\n"]);
  assertEquals((await home.run("run", "sh", "-c", "exit 9")).code, 9);
  assertEquals((await home.run("run", "sh", "-c", "kill -9 $$")).code, 137);
  assertEquals((await home.run("run", "no-such-command")).code, 125);
  const late = await home.run("run", "--timeout", "1", "sleep", "1000");
  assertMatch(late.stderr, /job 4 is FAILED \(timeout\): ran longer than its timeout of 1 s/);
});

Deno.test("submit sends the caller's directory and environment; --clean-env a minimal one", async () => {
  await using home = await Home.start();
  const env = { FLAVOUR: "salt" };
  const script = "pwd; echo ${FLAVOUR:-none} ${EXTRA:-none}; echo ${PATH:+path}";
  const full = await home.runAs({ env }, "run", "--env", "EXTRA=more", "sh", "-c", script);
  assertEquals(full.stdout, `${Deno.cwd()}\nsalt more\npath\n`);
  const clean = await home.runAs({ env }, "run", "--clean-env", "sh", "-c", script);
  assertEquals(clean.stdout, `${Deno.cwd()}\nnone none\npath\n`);
});

Deno.test("Ctrl-C in run cancels the job", async () => {
  await using home = await Home.start();
  const process = new Deno.Command(BINARY, {
    args: ["run", "sleep", "1000"],
    env: home.environment,
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until(
    "the job runs",
    async () => (await home.status(1).catch(() => undefined))?.state === "RUNNING",
  );
  // It listens for the signal once it has the id; one that comes before kills it alone.
  await until("it has asked for the logs", () => connections(home) >= 2);
  process.kill("SIGINT");
  assertEquals((await process.status).code, 143);
  assertEquals((await home.status(1)).state, "CANCELLED");
});

Deno.test("run, logs -f and wait live through a crash of the supervisor", async () => {
  await using home = await Home.start();
  const script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; exit 7";
  const run = home.run("run", "sh", "-c", script);
  await until(
    "the job runs",
    async () => (await home.status(1).catch(() => undefined))?.state === "RUNNING",
  );
  const logs = home.run("logs", "-f", "1");
  const wait = home.run("wait", "1");
  // The listener, two of run, two of logs, one of wait.
  await until("all are connected", () => connections(home) >= 6);
  await home.restart();
  await home.restart();
  const expected = Array.from({ length: 40 }, (_, i) => `line ${i + 1}\n`).join("");
  assertEquals([(await run).code, (await run).stdout], [7, expected]);
  assertEquals((await logs).stdout, expected);
  assertEquals((await wait).code, 7);
});

Deno.test("recover --dry-run tells the plan of a stopped supervisor and changes nothing", async () => {
  await using home = await Home.start();
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  await home.running(id);
  assertEquals(
    (await home.run("recover", "--dry-run")).code,
    1,
    "a running supervisor holds the lock",
  );
  await home.crash();
  for (let i = 0; i < 2; i++) {
    const { code, stdout } = await home.run("recover", "--dry-run");
    assertEquals(code, 0);
    assertMatch(stdout, /^1 {2}RUNNING {2}adopted: it runs as pid \d+\n0 kept, 1 adopted, /);
  }
  await home.start();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "3:0");
});

/** Unix connections to the control socket, as the kernel lists them; the listener is one. */
function connections(home: Home): number {
  return Deno.readTextFileSync("/proc/net/unix").split("\n").filter((line) =>
    line.includes(home.socket)
  ).length;
}
