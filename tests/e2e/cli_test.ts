/** The command line, on the compiled binary: what a person types and sees, and what a script tests. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { columns } from "../../src/cli/table.ts";
import { BINARY, Home, type Output, until } from "./home.ts";

const VERBS = [
  "daemon submit run cancel status list wait logs watch signal hold release resubmit",
  "history node health drain resume pools set-pool remove-pool pause-pool resume-pool",
  "prune recover rebuild upgrade",
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

Deno.test("help VERB and --help VERB explain the verb; alone they list all verbs", async () => {
  await using home = new Home();
  const submit = await home.run("submit", "--help");
  for (const words of [["help", "submit"], ["--help", "submit"], ["--json", "help", "submit"]]) {
    assertEquals(await home.run(...words), submit, words.join(" "));
  }
  const all = await home.run("--help");
  for (const verb of VERBS) assertMatch(all.stdout, new RegExp(`^ {2}${verb} `, "m"));
  assertEquals(await home.run("help"), all);
});

Deno.test("what is no verb or option is an error with --help too, and the nearest is named", async () => {
  await using home = new Home();
  for (const words of [["sumbit", "true"], ["sumbit", "--help"], ["help", "sumbit"]]) {
    const { code, stdout, stderr } = await home.run(...words);
    assertEquals([code, stdout], [2, ""], words.join(" "));
    assertMatch(stderr, /^holdfast: unknown command 'sumbit'\n\(Did you mean submit\?\)\nSee: /);
  }
  const { code, stderr } = await home.run("submit", "--nam", "x", "true");
  assertEquals(code, 2);
  assertMatch(stderr, /^holdfast: unknown option '--nam'\n\(Did you mean --name\?\)/);
});

Deno.test("a wrong value is told in one sentence that says which are right", async () => {
  await using home = new Home();
  const told: [string[], string][] = [
    [
      ["status", "x"],
      "a job's id is a whole number such as 12, or 12_3 in an array, and 'x' is not",
    ],
    [
      ["submit", "--timeout", "1000000d", "true"],
      "--timeout: '1000000d' is not a duration from 0 to 3650d, such as 90, 90s, 5m, 2h or 1d",
    ],
    [
      ["list", "-n", "few"],
      "--limit: 'few' is not a whole number from 0 to 9007199254740991",
    ],
  ];
  for (const [words, message] of told) {
    const { code, stderr } = await home.run(...words);
    assertEquals([code, stderr.split("\n")[0]], [2, `holdfast: ${message}`]);
  }
  assertEquals((await home.run("run", "--cpus", "four", "true")).code, 125);
});

Deno.test("no option and no argument may be empty: the first that is is named", async () => {
  await using home = await Home.start();
  const codeOf = (verb: string) => ["run", "wait"].includes(verb) ? 125 : 2;
  for (const verb of VERBS) {
    const { stdout } = await home.run(verb, "--help");
    const [, usage] = /^Usage: holdfast \S+ (?:\[options\] ?)?(.*)$/m.exec(stdout)!;
    const words = usage!.split(" ").filter((word) => word.startsWith("<")).map(() => "1");
    const options = [...stdout.matchAll(/--[\w-]+(?= <)/g)].map(([option]) => option)
      .filter((option) => option !== "--socket");
    // They have the flags of the daemon, all read by one reader.
    const dry = ["recover", "rebuild"].includes(verb) ? ["--dry-run"] : [];
    const tried = dry.length > 0 ? ["--config"] : options;
    await Promise.all(tried.map(async (option) => {
      const { code, stdout, stderr } = await home.run(verb, ...dry, option, "", ...words);
      assertEquals([code, stdout], [codeOf(verb), ""], `${verb} ${option}: ${stderr}`);
      assertMatch(stderr, new RegExp(`^holdfast: (option '(-\\w, )?)?${option}\\b`), verb);
    }));
    for (let at = 0; at < words.length; at++) {
      const { code, stderr } = await home.run(verb, ...words.with(at, ""));
      assertEquals(code, codeOf(verb), `${verb} ${at}: ${stderr}`);
      assertMatch(stderr, /^holdfast: (.* is empty|.*'')/);
    }
  }
  assertEquals((await home.use((client) => client.call("List", {}))).jobs, []);
});

Deno.test("an empty socket counts as none given; one that no address holds is told", async () => {
  await using home = await Home.start();
  assertEquals((await home.runAs({ env: { HOLDFAST_SOCKET: "" } }, "node")).code, 0);
  assertEquals((await home.run("node", "--socket", "")).code, 0);
  const { code, stderr } = await home.run("node", "--socket", `/${"x".repeat(107)}`);
  assertEquals(code, 2);
  assertMatch(stderr, /^holdfast: the socket path \S+ has 108 bytes, .* holds 107\n/);
});

Deno.test("output that cannot be written is told as ours, with what has been done", async () => {
  await using home = await Home.start();
  const toFull = async (...words: string[]) => {
    const { code, stderr } = await inShell(home, '"$BINARY" "$@" >/dev/full', ...words);
    assertEquals(code, 1);
    return stderr;
  };
  const cannot = "holdfast: cannot write to standard output: No space left on device\n";
  assertEquals(await toFull("submit", "true"), `${cannot}  job 1 was submitted\n`);
  await home.wait(1);
  assertEquals(await toFull("resubmit", "1", "--json"), `${cannot}  job 2 was submitted\n`);
  assertEquals(await toFull("cancel", "1"), `${cannot}  job 1 is COMPLETED\n`);
  assertEquals(await toFull("drain"), `${cannot}  the node is draining\n`);
  assertEquals(await toFull("list"), cannot);
});

Deno.test("one stream that is asked for goes to standard output", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo out; echo err >&2");
  await home.wait(id);
  const logs = async (...words: string[]) => {
    const { stdout, stderr } = await home.run("logs", ...words, String(id));
    return [stdout, stderr];
  };
  assertEquals(await logs(), ["out\n", "err\n"]);
  assertEquals(await logs("--stream", "stderr"), ["err\n", ""]);
  assertEquals(await logs("--follow", "--stream", "stderr"), ["err\n", ""]);
  assertEquals(await logs("--stream", "stdout"), ["out\n", ""]);
});

Deno.test("what is refused says what to do", async () => {
  await using home = await Home.start("--max-message", "20K");
  const refused = await home.runAs({ env: { BIG: "x".repeat(100_000) } }, "submit", "true");
  assertEquals(refused.code, 5);
  assertMatch(refused.stderr, /limit of 20480 message bytes .*\n {2}--clean-env .*max_message/);
  await home.run("drain");
  assertMatch((await home.run("submit", "true")).stderr, /draining \(holdfast resume .*ending/);
});

Deno.test({
  name: "list, status and node are never wider than the terminal",
  // util-linux has it, and few others.
  ignore: !new Deno.Command("sh", { args: ["-c", "command -v script && command -v stty"] })
    .outputSync().success,
  async fn() {
    await using home = await Home.start();
    const words = ["sh", "-c", "# \u65e5\u672c\u8a9e ".repeat(20)];
    const id = await home.submit(words, { name: "n".repeat(150) });
    await home.wait(id);
    const array = await home.submit(words, { array: "1-3", name: "n" });
    for (const width of [10, 17, 40, 100]) {
      const script = `stty cols ${width}; "$BINARY" list; ` +
        `"$BINARY" status ${id}; "$BINARY" status ${array}; "$BINARY" list --usage; "$BINARY" node`;
      const { stdout } = await inShell(home, 'script -qec "$1" /dev/null', script);
      // deno-lint-ignore no-control-regex
      const lines = stdout.replace(/\x1b\[\d*m/g, "").split("\r\n");
      assertMatch(lines[0]!, /^ID +S/);
      for (const line of lines) assert(columns(line) <= width, `${width}: ${line}`);
    }
  },
});

Deno.test("the tour of the README runs as it is printed", async () => {
  await using home = new Home();
  const [first, second] = blocks("A tour");
  const { code } = await inShell(home, `${place(home)}(${commands(first!)}\n) >/dev/null`);
  assertEquals(code, 0);
  await until("the supervisor answers", () => home.answers());
  const { stdout } = await inShell(home, place(home) + commands(second!));
  assertEquals(stdout, second!.replace(/^\$ .*\n/gm, ""));
});

Deno.test("the commands for scheduling in the README say what is printed", async () => {
  await using home = await Home.start();
  const [text] = blocks("Scheduling");
  const { stdout } = await inShell(home, `${place(home)}exec 2>&1\n${commands(text!)}`);
  assertEquals(stdout, text!.replace(/^\$ .*\n/gm, ""));
});

Deno.test("submit prints the id alone; status, list and history tell the job", async () => {
  await using home = await Home.start();
  const { stdout } = await home.run("submit", "--name", "greet", "sh", "-c", "echo hello; exit 7");
  assertEquals(stdout, "1\n");
  assertEquals((await home.run("wait", "1")).code, 7);
  assertMatch((await home.run("status", "1")).stdout, /State: {7}FAILED\n(.|\n)*Exit code: {3}7:0/);
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
  // The listener, two of run, two of logs, one of wait; not those with which they look the job up.
  let looks = 0;
  await until("all are connected", () => connections(home) === 6 ? ++looks > 10 : (looks = 0));
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

/** Blocks of commands in a section of the README. */
function blocks(section: string): string[] {
  const readme = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));
  const [, text] = new RegExp(`^## ${section}\\n(.*?)^## `, "ms").exec(readme)!;
  return [...text!.matchAll(/^```\n(.*?)^```$/gms)].map(([, block]) => block!);
}

function commands(block: string): string {
  return [...block.matchAll(/^\$ (.*)$/gm)].map(([, line]) => line).join("\n");
}

/** Script that goes to the home, with the binary as `holdfast` on the way. */
function place(home: Home): string {
  const link = 'mkdir -p bin; ln -sf "$BINARY" bin/holdfast';
  return `cd ${home.directory}; ${link}; PATH=$PWD/bin:$PATH\n`;
}

/** Runs a shell's script as a person with this home would, with the binary as $BINARY. */
async function inShell(home: Home, script: string, ...words: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", ...words],
    env: { ...home.environment, BINARY },
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Unix connections to the control socket, as the kernel lists them; the listener is one. */
function connections(home: Home): number {
  return Deno.readTextFileSync("/proc/net/unix").split("\n").filter((line) =>
    line.includes(home.socket)
  ).length;
}
