/** In whatever directory and with whatever words the program is called, it works or says one line. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, type Output, until } from "./home.ts";

/** Goes to a new directory below the home and removes it. */
const IN_REMOVED = 'cd "$0" && mkdir gone && cd gone && rmdir ../gone && exec "$@"';

async function output(home: Home, script: string, ...words: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, home.directory, ...words],
    env: home.environment,
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const BACKTRACE = /panicked|backtrace|\bat .*:\d+:\d+/i;

Deno.test("every verb works in a directory that has been removed as it does elsewhere", async () => {
  await using home = await Home.start();
  await home.wait(await home.submit(["echo", "out"]));
  const held = await home.submit(["true"], { hold: true });
  const calls = [
    ["--version"],
    ["--help"],
    [],
    ["node"],
    ["list"],
    ["status", "1"],
    ["history", "1"],
    ["logs", "1"],
    ["wait", "1"],
    ["pools"],
    ["set-pool", "p"],
    ["pause-pool", "p"],
    ["resume-pool", "p"],
    ["remove-pool", "q"],
    ["hold", `${held}`],
    ["release", "9"],
    ["signal", "1", "USR1"],
    ["cancel", "9"],
    ["resume"],
    ["prune"],
    ["recover"],
    ["frobnicate"],
    ["daemon", "--check"],
    ["daemon"],
    ["rebuild", "--dry-run"],
    ["recover", "--dry-run"],
  ];
  for (const words of calls) {
    const here = await output(home, 'exec "$@"', BINARY, ...words);
    const there = await output(home, IN_REMOVED, BINARY, ...words);
    // What tells a time or an age differs by it.
    const told = ({ code, stdout, stderr }: Output) => [
      code,
      stdout.replace(/\d/g, "9"),
      stderr.replace(/\d/g, "9"),
    ];
    assertEquals(told(there), told(here), words.join(" "));
    assert(!BACKTRACE.test(there.stderr), there.stderr);
  }
});

Deno.test("a job is submitted from a removed directory where it is said in which it is to run", async () => {
  await using home = await Home.start();
  for (const [verb, code] of [["submit", 2], ["run", 125]] as const) {
    for (const options of [[], ["--directory", "sub"]]) {
      const refused = await output(home, IN_REMOVED, BINARY, verb, ...options, "true");
      assertEquals([refused.code, refused.stdout], [code, ""]);
      assertMatch(
        refused.stderr,
        /^holdfast: the directory .* has been removed\n.*--directory \/\n$/,
      );
    }
  }
  const run = await output(home, IN_REMOVED, BINARY, "run", "--directory", "/usr", "pwd");
  assertEquals(run, { code: 0, stdout: "/usr\n", stderr: "" });
});

Deno.test("a supervisor starts, and is replaced, in a directory that has been removed", async () => {
  await using home = new Home();
  home.launch([], ["sh", "-c", IN_REMOVED, home.directory]);
  await until("it answers", () => home.answers());
  const id = await home.submit(["sleep", "1000"]);
  await home.running(id);
  const upgrade = await home.run("upgrade");
  assertEquals([upgrade.code, upgrade.stderr], [0, ""], home.log);
  assertEquals((await home.status(id)).state, "RUNNING");
});

Deno.test("a relative place is told to be one where the directory has been removed", async () => {
  await using home = new Home();
  for (const [name, what] of [["STATE", "state"], ["RUNTIME", "runtime"]]) {
    const script = `export HOLDFAST_${name}_DIR=below; ${IN_REMOVED}`;
    const { code, stderr } = await output(home, script, BINARY, "daemon");
    assertEquals(code, 2);
    assertMatch(
      stderr,
      new RegExp(`^holdfast: the ${what} directory below begins in a directory .* removed; .*\n$`),
    );
  }
});

Deno.test("words arrive as they were typed, whatever letters they have", async () => {
  await using home = await Home.start();
  const words = ["caf\u00e9", "?", "", "\u{1f600}\u{301}", "\x7f", "a\nb", "\ufeffb"];
  const shown = await home.run("run", "printf", "%s|", ...words);
  assertEquals([shown.code, shown.stdout], [0, words.map((word) => `${word}|`).join("")]);
  await home.run("submit", "--name", "\u65e5\u672c\u8a9e", "true");
  assertEquals((await home.status(2)).spec.name, "\u65e5\u672c\u8a9e");
});

Deno.test("words that are not UTF-8 are refused in one line that names the first of them", async () => {
  await using home = await Home.start();
  for (const bytes of ["\\xff", "a\\xc3", "\\xed\\xa0\\x80", "\\xc0\\xaf"]) {
    for (const [verb, code] of [["submit", 2], ["list", 2], ["run", 125], ["wait", 125]] as const) {
      const script = `exec "$1" --json ${verb} caf\u00e9 $'${bytes}' $'\\xfe'`;
      const refused = await output(home, script, BINARY);
      assertEquals([refused.code, refused.stdout], [code, ""], verb);
      assertMatch(refused.stderr, /^holdfast: word 4 of the command, ".*", is not UTF-8; .*\n$/);
    }
  }
  assertEquals((await home.use((client) => client.call("List", {}))).jobs, []);
});

Deno.test("the program may be called by any name, and in a directory of any", async () => {
  await using home = await Home.start();
  const { directory } = home;
  const called = await output(home, `exec -a $'\\xfe' "$1" run echo called`, BINARY);
  assertEquals([called.code, called.stdout], [0, "called\n"]);
  const inside = `cd "$0" && mkdir $'\\xff' && cd $'\\xff' && exec "$@"`;
  const refused = await output(home, inside, BINARY, "submit", "true");
  assertEquals(refused.code, 2);
  assertMatch(refused.stderr, /^holdfast: .* not UTF-8.*\n.*--directory \/\n$/);
  const there = `cd "$0"/$'\\xff' && exec "$@"`;
  const run = await output(home, there, BINARY, "run", "--directory", directory, "pwd");
  assertEquals([run.code, run.stdout], [0, `${directory}\n`]);
});
