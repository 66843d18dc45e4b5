/** What a job gets and how it ends is exactly what was asked for and what happened. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { cpuIds } from "../../src/host/capacity.ts";
import { parseClaim, parseProc } from "../../src/host/run_records.ts";
import { MIN_OPEN_FILES } from "../../src/job/limits.ts";
import { buildKeeper, KeeperHome, PATH } from "./keeper_home.ts";

buildKeeper();

Deno.test("a job runs, its shim tells all of it, and what is on disk is the same", async () => {
  await using home = new KeeperHome();
  const script = "cut -d' ' -f1,5,6,22 /proc/$$/stat; exit 7";
  const { told, record, stdout } = await home.run({ command: ["sh", "-c", script] });
  assertEquals(told.kinds, ["forked", "claimed", "led", "executed", "ended", "empty", "silent"]);
  const { leader } = told.of("led")!, { shim } = told.of("claimed")!;
  const { pid, startTicks } = leader;
  assertEquals(stdout.trim().split(" ").map(Number), [pid, pid, pid, startTicks]);
  assertEquals(parseProc(home.read("runs/1/proc")), leader);
  assertEquals(parseClaim(home.read("runs/1/claim")), { kind: "signed", shim, token: "token-1" });
  assertEquals(told.of("forked")!.shim, shim);
  const { end } = told.of("ended")!;
  assertEquals({ ...end, refusal: undefined }, record);
  assertEquals(home.files.finalUsage(1), told.of("empty")!.usage);
  assertEquals([...Deno.readDirSync(`${home.directory}/runs/1`)].map(({ name }) => name).sort(), [
    "claim",
    "proc",
    "stderr.log",
    "stdout.log",
  ]);
});

Deno.test("every exit code is told as it is, and none as a signal", async () => {
  await using home = new KeeperHome();
  const codes = Array.from({ length: 256 }, (_, code) => code);
  for (let at = 0; at < codes.length; at += 32) {
    const batch = codes.slice(at, at + 32);
    const ran = await Promise.all(
      batch.map((code) => home.run({ command: ["sh", "-c", `exit ${code}`] })),
    );
    assertEquals(ran.map(({ record }) => record?.exit), batch.map((code) => ({ code, signal: 0 })));
    assertEquals(
      ran.map(({ told }) => told.of("ended")?.end.exit),
      batch.map((code) => ({ code, signal: 0 })),
    );
  }
});

Deno.test("a death by signal is told as one, with its core file", async () => {
  await using home = new KeeperHome();
  for (const signal of [1, 2, 9, 13, 15, 34, 64]) {
    const { record } = await home.run({ command: ["sh", "-c", `kill -${signal} $$`] });
    assertEquals(record?.exit, { code: 0, signal });
  }
  const where = Deno.makeTempDirSync();
  const dumping = { command: ["sh", "-c", "kill -SEGV $$"], directory: where };
  const { record } = await home.run({ ...dumping, limits: { coreSize: 1 << 30 } });
  const canDump = [...Deno.readDirSync(where)].length > 0;
  assertEquals(record?.exit, { code: 0, signal: 11, ...canDump ? { coreDumped: true } : {} });
  const none = await home.run({ ...dumping, limits: { coreSize: 0 } });
  assertEquals(none.record?.exit, { code: 0, signal: 11 });
  Deno.removeSync(where, { recursive: true });
});

Deno.test("limits are exact to the byte, and the job's alone", async () => {
  await using home = new KeeperHome();
  const limits = {
    openFiles: 100,
    coreSize: 1025,
    fileSize: 9007199254740991,
    stackSize: (1 << 20) + 1,
    processes: 5000,
    nice: 3,
    oomScore: 77,
    umask: "0027",
  };
  const script = "cat /proc/self/limits; echo umask $(umask) nice $(nice) " +
    "oom $(cat /proc/self/oom_score_adj); grep ^Max.open /proc/$PPID/limits";
  const { stdout, stderr } = await home.run({ command: ["sh", "-c", script], limits });
  assertMatch(stdout, /Max open files +100 +100 /);
  assertMatch(stdout, /Max core file size +1025 +1025 /);
  assertMatch(stdout, /Max file size +9007199254740991 +9007199254740991 /);
  assertMatch(stdout, /Max stack size +1048577 +1048577 /);
  assertMatch(stdout, /Max processes +5000 +5000 /);
  assertMatch(stdout, /umask 0?027 nice 3 oom 77\n/);
  assert(Number([...stdout.matchAll(/Max open files +(\d+)/g)][1]![1]) > 100, stdout);
  assertEquals(stderr, "");
});

Deno.test("without limits a job has the soft limit of open files that was there before ours", async () => {
  await using home = new KeeperHome();
  const script = "ulimit -Sn; umask; cat /proc/self/oom_score_adj";
  const { stdout } = await home.run({ command: ["sh", "-c", script] });
  assertEquals(stdout, "1024\n0022\n0\n");
});

Deno.test("with the fewest open files a job runs, and what is refused is told", async () => {
  await using home = new KeeperHome();
  const limits = { openFiles: MIN_OPEN_FILES, umask: "0", fileSize: 0 };
  assertEquals((await home.run({ command: ["true"], limits })).record?.exit.code, 0);
  const { record } = await home.run({ command: ["no-such-command"], limits });
  assertMatch(record!.refusal!.why, /not found in PATH/);
});

Deno.test("a job runs on the CPUs of its set, and its shim on all", async () => {
  await using home = new KeeperHome();
  const mine = cpuIds();
  const cpuSet = [mine.at(-1)!];
  const allowed = "grep Cpus_allowed_list /proc/$$/status /proc/$PPID/status | cut -f2";
  const { stdout } = await home.run({ command: ["sh", "-c", allowed], cpuSet });
  assertEquals(stdout.split("\n")[0], String(cpuSet[0]));
  assertEquals(cpuIds(), mine);
});

Deno.test("every name and value of the environment passes as it is, and nothing of the keeper's", async () => {
  await using home = new KeeperHome();
  const environment = {
    PATH,
    EMPTY: "",
    "a.b": "dotted name",
    "with space": " x ",
    IFS: "x",
    OPTIND: "none",
    PPID: "none",
    OLDPWD: "/absent",
    _: "underscore",
    UTF8: "grüße ☃",
    "naïve": "name",
    LINES2: "one\ntwo",
    EQUALS: "a=b=c",
    "1": "digit",
    "%": "percent",
  };
  const { stdout } = await home.run({ command: ["env", "-0"], environment });
  const found = Object.fromEntries(
    stdout.split("\0").slice(0, -1).map((text) => {
      const at = text.indexOf("=");
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
  const own = { PWD: "/", HOLDFAST_JOB_ID: "1", HOLDFAST_TOKEN: "token-1" };
  assertEquals(found, { ...environment, ...own });
});

Deno.test("who gives PWD and a job id keeps the one and not the other", async () => {
  await using home = new KeeperHome();
  const environment = { PATH, PWD: "/elsewhere", HOLDFAST_JOB_ID: "9", HOLDFAST_TOKEN: "forged" };
  const { stdout } = await home.run({ command: ["env"], environment });
  assertEquals(stdout.trim().split("\n").sort(), [
    "HOLDFAST_JOB_ID=1",
    "HOLDFAST_TOKEN=token-1",
    `PATH=${PATH}`,
    "PWD=/elsewhere",
  ]);
});

Deno.test("arguments pass as they are, empty ones and very many of them too", async () => {
  await using home = new KeeperHome();
  const words = ["", " ", "-n", "a\nb", "☃", ""];
  const shown = await home.run({ command: ["sh", "-c", 'printf "[%s]" "$@"', "sh", ...words] });
  assertEquals(shown.stdout, words.map((word) => `[${word}]`).join(""));
  const many = Array.from({ length: 50_000 }, (_, i) => String(i));
  const counted = await home.run({ command: ["sh", "-c", 'echo $# "${50000}"', "sh", ...many] });
  assertEquals([counted.stdout, counted.record?.exit.code], ["50000 49999\n", 0]);
});

Deno.test("a job has default signals, none blocked, and three descriptors", async () => {
  await using home = new KeeperHome();
  const script = "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd; cat";
  const { stdout } = await home.run({ command: ["sh", "-c", script] });
  assertMatch(stdout, /SigBlk:\s+0{16}\nSigIgn:\s+0{16}\n/);
  assertEquals(stdout.split("\n").slice(2).join(" ").trim(), "0 1 2 3", "3 is ls reading it");
});

Deno.test("a shim and its keeper are called by their names, and carry what they are", async () => {
  await using home = new KeeperHome();
  const script = 'tr "\\0" " " </proc/$PPID/cmdline; echo; cat /proc/$PPID/comm; ' +
    'tr "\\0" "\\n" </proc/$PPID/environ; readlink /proc/$PPID/cwd; ls /proc/$PPID/fd | wc -l';
  const { stdout } = await home.run({ id: undefined, command: ["sh", "-c", script] });
  const [command, name, ...rest] = stdout.split("\n").map((line) => line.trimEnd());
  assertEquals([command, name], ["holdfast-shim 1", "holdfast-shim"]);
  const lines = rest.filter((line) => line !== "");
  assertEquals(lines.slice(0, 3), ["HOLDFAST_JOB_ID=1", "HOLDFAST_TOKEN=token-1", home.directory]);
  const keeper = Deno.readTextFileSync(`/proc/${home.keeper.pid}/cmdline`).replaceAll("\0", "");
  assertEquals(keeper, "holdfast-keeper");
  assertEquals(Deno.readTextFileSync(`/proc/${home.keeper.pid}/comm`), "holdfast-keeper\n");
});

Deno.test("the largest id and the longest token fit where they are shown", async () => {
  await using home = new KeeperHome();
  const id = Number.MAX_SAFE_INTEGER, token = "t".repeat(64);
  home.files.create(id);
  const script = 'tr "\\0" " " </proc/$PPID/cmdline; tr "\\0" "\\n" </proc/$PPID/environ';
  const { stdout } = await home.run({ id, token, command: ["sh", "-c", script] });
  assertMatch(stdout, new RegExp(`^holdfast-shim ${id} `));
  assert(stdout.includes(`HOLDFAST_JOB_ID=${id}\nHOLDFAST_TOKEN=${token}\n`), stdout);
});
