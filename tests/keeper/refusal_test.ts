/** What cannot be executed is refused with its cause, and the same is told and recorded. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Refusal } from "../../src/ports.ts";
import { buildKeeper, KeeperHome, PATH } from "./keeper_home.ts";

buildKeeper();

const IS_ROOT = Deno.uid() === 0;

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync();

  /** Its path. */
  write(name: string, text: string, mode = 0o755): string {
    const path = `${this.directory}/${name}`;
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, mode);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

type Asked = Parameters<KeeperHome["start"]>[0];

async function refusalOf(asked: Asked): Promise<Refusal> {
  await using home = new KeeperHome();
  const { told, record } = await home.run(asked);
  const told1 = told.of("refused")?.refusal;
  assert(told1 && record, `it was not refused: ${JSON.stringify(told.news)}`);
  assertEquals(told.kinds, ["forked", "claimed", "led", "refused", "empty", "silent"]);
  assertEquals(record.refusal, told1, "what is told is what is recorded");
  return told1;
}

Deno.test("a command that is not there, not executable or a directory is told as such", async () => {
  using place = new Place();
  const plain = place.write("plain", "", 0o644);
  const cases: [string, string][] = [
    ["no-such-command", "command not found in PATH: no-such-command"],
    ["/no/such", "command not found: /no/such"],
    ["./no-such", "command not found: ./no-such"],
    ["", "command not found in PATH: "],
    [plain, `command is not executable: ${plain}`],
    [place.directory, `command is a directory: ${place.directory}`],
    [`${plain}/below`, `cannot execute ${plain}/below: Not a directory`],
    ["x".repeat(300), `command name is too long: ${"x".repeat(300)}`],
  ];
  for (const [command, why] of cases) {
    assertEquals(await refusalOf({ command: [command] }), { why, by: "job" });
  }
});

Deno.test("a directory that cannot be entered is told with the cause", async () => {
  using place = new Place();
  const file = place.write("file", "");
  const cases = [
    ["/no/such", "cannot enter the directory /no/such: No such file or directory"],
    [file, `cannot enter the directory ${file}: Not a directory`],
  ] as const;
  for (const [directory, why] of cases) {
    assertEquals(await refusalOf({ command: ["true"], directory }), { why, by: "job" });
  }
});

Deno.test("a script whose interpreter is missing or cannot be executed names both", async () => {
  using place = new Place();
  const missing = place.write("missing", "#! /no/such -x\n");
  const plain = place.write("plain", "", 0o644);
  const denied = place.write("denied", `#!${plain}\n`);
  const nested = place.write("nested", `#!${missing}\n`);
  const cases = [
    [missing, `cannot execute ${missing}: its interpreter /no/such is not there`],
    [denied, `cannot execute ${denied}: its interpreter ${plain} is not executable`],
    [nested, `cannot execute ${nested}: its interpreter /no/such is not there`],
  ] as const;
  for (const [command, why] of cases) {
    assertEquals(await refusalOf({ command: [command] }), { why, by: "job" });
  }
  const environment = { PATH: `${place.directory}:${PATH}` };
  assertEquals((await refusalOf({ command: ["missing"], environment })).why, cases[0][1]);
});

Deno.test("a program whose loader is missing names it", async () => {
  using place = new Place();
  const program = Deno.readFileSync("/bin/true");
  const text = new TextDecoder("latin1").decode(program);
  const loader = /\/lib[\w./-]*\/ld-[\w.-]+/.exec(text);
  if (!loader) return;
  program.set(new TextEncoder().encode("/no"), loader.index);
  const path = `${place.directory}/program`;
  Deno.writeFileSync(path, program, { mode: 0o755 });
  const { why } = await refusalOf({ command: [path] });
  assertEquals(
    why,
    `cannot execute ${path}: its interpreter /no${loader[0].slice(3)} is not there`,
  );
});

Deno.test("links and interpreters that lead to each other are told", async () => {
  using place = new Place();
  const link = `${place.directory}/link`;
  Deno.symlinkSync(link, link);
  assertMatch(
    (await refusalOf({ command: [link] })).why,
    /Too many levels of symbolic links|Symbolic link loop/,
  );
  const self = place.write("self", "");
  place.write("self", `#!${self}\n`);
  const { why } = await refusalOf({ command: [self] });
  assertMatch(why, /too many interpreters lead to each other/);
});

Deno.test("more words than the kernel takes are refused before anything runs", async () => {
  const argument = "x".repeat(200_000);
  const { why, by } = await refusalOf({ command: ["true", argument] });
  assertEquals(by, "job");
  assertMatch(why, /too long for the kernel to execute .*true with/);
  const many = Array.from({ length: 40 }, () => "y".repeat(100_000));
  assertMatch((await refusalOf({ command: ["true", ...many] })).why, /too long for the kernel/);
});

Deno.test("what no message holds, and a NUL, is refused by the keeper, and the next start is not", async () => {
  await using home = new KeeperHome();
  const huge = home.start({
    command: ["true", ..."z".repeat(17).split("").map(() => "z".repeat(1 << 20))],
  });
  const { refusal } = await huge.until("notForked");
  assertMatch(refusal.why, /larger than any kernel takes/);
  const cut = home.start({ command: ["true", "a\0b"] });
  assertMatch((await cut.until("notForked")).refusal.why, /NUL/);
  await cut.until("silent");
  assertEquals((await home.run({ command: ["true"] })).record?.exit.code, 0);
});

Deno.test("a leader that is killed before it executes the command is told as such", async () => {
  await using home = new KeeperHome();
  const id = 1;
  home.files.create(id);
  // Whoever opens it for writing waits for a reader.
  run("mkfifo", `${home.directory}/runs/${id}/stdout.log`);
  const told = home.start({ id, command: ["true"] });
  const { leader } = await told.until("led");
  Deno.kill(leader.pid, "SIGKILL");
  await told.until("silent");
  const why = "its process ended by SIGKILL before it could execute the command";
  assertEquals(told.of("refused")?.refusal, { why, by: "job" });
  assertEquals(home.files.exitRecord(id)?.refusal, { why, by: "job" });
  assertEquals(told.of("executed"), undefined);
});

function run(command: string, ...args: string[]): void {
  assert(new Deno.Command(command, { args }).outputSync().success, command);
}

Deno.test("a limit that cannot be set is refused by its name", async () => {
  const limits = { openFiles: 2_000_000_000, fileSize: 0, umask: "777" };
  const { why, by } = await refusalOf({ command: ["true"], limits });
  assertMatch(why, /^cannot set openFiles to 2000000000: /);
  assertEquals(by, "job");
});

Deno.test("a CPU that is not there is the node's fault", async () => {
  const { why, by } = await refusalOf({ command: ["true"], cpuSet: [8191] });
  assertEquals([why, by], ["cannot run on the CPUs 8191: Invalid argument", "node"]);
});

Deno.test({
  name: "a file system that is mounted noexec is named",
  ignore: !IS_ROOT,
  fn: async () => {
    using place = new Place();
    const mounted = `${place.directory}/mounted`;
    Deno.mkdirSync(mounted);
    const mount = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "noexec,size=64k", "none", mounted],
    });
    if (!mount.outputSync().success) return;
    try {
      const path = `${mounted}/script`;
      Deno.writeTextFileSync(path, "#!/bin/sh\n", { mode: 0o755 });
      const { why } = await refusalOf({ command: [path] });
      assertEquals(why, `${path} is on a file system that is mounted noexec`);
    } finally {
      new Deno.Command("umount", { args: [mounted] }).outputSync();
    }
  },
});
