import { Command, InvalidArgumentError } from "commander";
import assert from "node:assert/strict";
import {
  count,
  cpus,
  duration,
  grace,
  indexes,
  jobId,
  jobIds,
  limit,
  poolLimit,
  poolName,
  priority,
  size,
  time,
  variable,
} from "../../src/cli/arguments.ts";
import { addSpecOptions, readSpec } from "../../src/cli/submit.ts";
import { isInvalid, readSpec as readShape } from "../../src/job/spec.ts";
import { socketsNamed } from "../../src/cli/upgrade.ts";

Deno.test("a wrong argument is refused with a right one", () => {
  const wrong: [(text: string) => unknown, string[]][] = [
    [jobId, [
      "9".repeat(17),
      `1_${"9".repeat(17)}`,
      "0",
      "-1",
      "x",
      "",
      "1.5",
      "1e3",
      "12_",
      "12_x",
      "_3",
      "0_3",
      "1_2_3",
    ]],
    [jobIds, ["1,,2", "1,x"]],
    [duration, ["", "-5", "5w", "1h30"]],
    [size, ["", "5x", "-1M"]],
    [count, ["-1", "x"]],
    [cpus, ["0", "four", "1000001"]],
    [grace, ["2d"]],
    [priority, ["", "1.5", "--1", "99999999999999999999"]],
    [variable, ["NAME", "=value", ""]],
    [limit, ["nice", "=5", "nice=x", "speed=5", ""]],
    [time, ["", "soon", "25:00", "2026-02-30 10:00"]],
    [indexes, ["", "x", "5-1", "1-5%0", "1-99999"]],
    [poolName, ["", "a/b", "a b", "x".repeat(65)]],
    [poolLimit, ["", "-1", "few", "1000001"]],
  ];
  for (const [read, texts] of wrong) {
    for (const text of texts) assert.throws(() => read(text), InvalidArgumentError, text);
  }
});

Deno.test("a range is told in the unit that was typed", () => {
  const told = (read: (text: string) => unknown, text: string) => {
    try {
      return read(text);
    } catch (error) {
      return /from (\S+) to (\S+?),? /.exec(`${(error as Error).message} `)?.slice(1).join("..");
    }
  };
  assert.equal(told(duration, "1000000d"), "0..3650d");
  assert.equal(told(duration, "99999999h"), "0..87600h");
  assert.equal(told(duration, "99999999999"), "0..315360000s");
  assert.equal(told(duration, "soon"), "0..3650d");
  assert.equal(told(grace, "25h"), "0..24h");
  assert.equal(told(size, "99999999G"), "0..8388607G");
  assert.equal(told(cpus, "four"), "1..1000000");
  assert.throws(() => jobId("9".repeat(17)), /at most 9007199254740991/);
  assert.throws(() => poolName("x".repeat(65)), /at most 64 letters/);
  assert.throws(() => indexes("1-99999999999"), /up to 1000000000/);
  assert.throws(() => limit("open-files=9".padEnd(30, "9")), /at most \d/);
});

Deno.test("what the command line takes is what a spec may hold", () => {
  const field = (spec: object) => isInvalid(readShape({ command: ["x"], ...spec }));
  for (
    const [name, read, most] of [
      ["timeout", duration, 3650 * 86_400],
      ["grace", grace, 86_400],
      ["cpus", cpus, 1_000_000],
      ["priority", priority, 1_000_000],
      ["memory", size, Number.MAX_SAFE_INTEGER],
    ] as const
  ) {
    assert.deepEqual([field({ [name]: most }), field({ [name]: most + 1 })], [false, true], name);
    assert.throws(() => read(String(most + 1)), InvalidArgumentError, name);
  }
  const when = { notBefore: time("18:00"), array: indexes("0-9:2%3"), pool: poolName("gpu-1.a") };
  assert.equal(field(when), false);
});

Deno.test("ids come one by one or with commas, in the order typed", () => {
  assert.deepEqual(jobIds("9,3_7", jobIds("12")), [{ id: 12 }, { id: 9 }, { id: 3, index: 7 }]);
});

Deno.test("the value of a variable may hold an equals sign, or nothing", () => {
  assert.deepEqual(variable("B=", variable("A=x=y")), { A: "x=y", B: "" });
});

function specOf(...words: string[]) {
  const command = addSpecOptions(new Command("submit")).exitOverride();
  let spec: ReturnType<typeof readSpec> | undefined;
  command.action((words: string[]) => {
    spec = readSpec(command, words);
  });
  command.parse(words, { from: "user" });
  return spec!;
}

Deno.test("options after the command belong to the command", () => {
  const spec = specOf("--cpus", "2", "ls", "--cpus", "3", "--", "--help");
  assert.deepEqual(spec.command, ["ls", "--cpus", "3", "--", "--help"]);
  assert.equal(spec.cpus, 2);
});

Deno.test("two dashes end the options of submit", () => {
  assert.deepEqual(specOf("--name", "n", "--", "--odd", "-x").command, ["--odd", "-x"]);
});

Deno.test("options are sent in the units of the protocol, and only those typed", () => {
  const spec = specOf("--memory", "2G", "--timeout", "0", "--grace", "1m", "--priority", "-5", "x");
  assert.deepEqual([spec.memory, spec.timeout, spec.grace, spec.priority], [2 ** 31, 0, 60, -5]);
  const late = specOf("--not-before", "+1h", "--hold", "--array", "1-3", "--pool", "gpu", "x");
  assert.deepEqual([late.hold, late.array, late.pool], [true, "1-3", "gpu"]);
  assert.match(late.notBefore!, /^\d{4}-.*T.*Z$/);
  const plain = JSON.parse(JSON.stringify(specOf("x")));
  assert.deepEqual(Object.keys(plain).sort(), ["command", "directory", "environment"]);
});

Deno.test("limits are repeated, and a pin swallows no word of the command", () => {
  const spec = specOf("--limit", "nice=5", "--limit", "core-size=1M", "--pin", "shared", "x");
  assert.deepEqual(spec.limits, { nice: 5, coreSize: 2 ** 20 });
  assert.deepEqual([spec.pin, spec.command], ["exclusive", ["shared", "x"]]);
  assert.equal(specOf("--pin-shared", "x").pin, "shared");
});

Deno.test("a directory is absolute, from where the caller is", () => {
  assert.equal(specOf("x").directory, Deno.cwd());
  assert.equal(specOf("--directory", "/srv", "x").directory, "/srv");
  assert.equal(specOf("--directory", "sub", "x").directory, `${Deno.cwd()}/sub`);
});

Deno.test("the environment is the caller's, without what belongs to a job of its own", () => {
  const own = ["TOKEN", "JOB_ID", "ARRAY_ID", "ARRAY_INDEX"].map((name) => `HOLDFAST_${name}`);
  const names = [...own, "HOLDFAST_TEST_FLAVOUR", "odd.name"];
  for (const name of names) Deno.env.set(name, "salt");
  try {
    const full = specOf("--env", "EXTRA=more", "x").environment!;
    assert.deepEqual(
      names.filter((name) => name in full).map((name) => [name, full[name]]),
      [["HOLDFAST_TEST_FLAVOUR", "salt"], ["odd.name", "salt"]],
    );
    assert.equal(full.EXTRA, "more");
    const clean = specOf("--clean-env", "--env", "EXTRA=more", "x").environment!;
    assert.deepEqual([clean.HOLDFAST_TEST_FLAVOUR, clean.EXTRA], [undefined, "more"]);
    assert.equal(clean.PATH, Deno.env.get("PATH"));
  } finally {
    for (const name of names) Deno.env.delete(name);
  }
});

Deno.test("a supervisor's socket is found by the name it was bound with", () => {
  const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/holdfast/control.sock.4711
0000000000000000: 00000002 00000000 00010000 0001 01 12 /run/other/control.sock
0000000000000000: 00000002 00000000 00010000 0001 01 13 /run/other/control.sock.old
0000000000000000: 00000003 00000000 00000000 0001 03 14
0000000000000000: 00000002 00000000 00010000 0001 01 15 @control.sockets
`;
  assert.deepEqual(
    [...socketsNamed(table, "/var/run/holdfast/control.sock")],
    ["socket:[11]", "socket:[12]"],
  );
});
