import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { describeJob, exitCodeOf, exitText, usageCells } from "../../src/cli/job_text.ts";
import { columns, layOut, layOutFacts, printable } from "../../src/cli/table.ts";
import { ConfigError, makeConfig } from "../../src/config.ts";
import { configPaths, runtimeDirectory, socketPath, stateDirectory } from "../../src/paths.ts";
import { parseDuration, parseSize } from "../../src/units.ts";
import type { Job } from "../../src/varlink/interface.ts";

Deno.test("durations and sizes are read as people write them, and nothing else is", () => {
  assertEquals(["90", "90s", "5m", "2h", "1d"].map(parseDuration), [90, 90, 300, 7200, 86_400]);
  assertEquals(["", "s", "-1", "1.5h", "5 m", "1w"].map(parseDuration), Array(6).fill(undefined));
  assertEquals(["1024", "512M", "2G", "1k", "3MiB"].map(parseSize), [
    1024,
    2 ** 29,
    2 ** 31,
    1024,
    3 * 2 ** 20,
  ]);
  assertEquals(
    ["", "-1M", "1.5G", "M", "99999999999999T"].map(parseSize),
    Array(5).fill(undefined),
  );
});

/** Letters of all kinds: control characters, wide ones, marks, what turns a line around. */
const odd = fc.string({ unit: "binary", maxLength: 60 });
// deno-lint-ignore no-control-regex
const MOVES = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;

Deno.test("a table and a list of facts fit any terminal, and no name can move the cursor", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(odd, fc.constantFrom("RUNNING (cancel)", ""), odd)),
      fc.integer({ min: 9, max: 80 }),
      (rows, width) => {
        const facts = rows.map(([name, , text]) => [printable(name).slice(0, 9), text] as const);
        const lines = [
          ...layOut(["NAME", "STATE", "COMMAND"], rows, { width }),
          ...layOutFacts(facts, width),
        ];
        for (const line of lines) {
          assert(columns(line) <= width, line);
          assert(!MOVES.test(line), JSON.stringify(line));
        }
      },
    ),
  );
});

Deno.test("East Asian letters take two columns, marks on a letter none", () => {
  assertEquals(["abc", "\u65e5\u672c", "e\u0301", "\uff01", "\u{1f600}"].map(columns), [
    3,
    4,
    1,
    2,
    2,
  ]);
});

Deno.test("a narrow table keeps its first columns; its widest gives way first", () => {
  const rows = [["1", "COMPLETED", "x".repeat(40)]];
  const line = (width: number) => layOut(["ID", "STATE", "COMMAND"], rows, { width })[1];
  assertEquals(line(80), `1   COMPLETED  ${"x".repeat(40)}`);
  assertEquals(line(30), `1   COMPLETED  ${"x".repeat(14)}…`);
  assertEquals(line(16), "1   COMPLETED  …");
  assertEquals(line(10), "1   COMPL…");
});

Deno.test("a fact that is too long goes on in the next line, and nothing of it is lost", () => {
  const text = "aaaa bbbb cccc dddd eeee ffff";
  assertEquals(layOutFacts([["Name", text], ["Other", undefined]]), [`Name:        ${text}`]);
  assertEquals(layOutFacts([["Name", text]], 33), [
    "Name:        aaaa bbbb cccc dddd",
    "             eeee ffff",
  ]);
  assertEquals(layOutFacts([["Name", text]], 12), [
    "Name: aaaa",
    " bbbb cccc",
    " dddd eeee",
    " ffff",
  ]);
});

Deno.test("a signal is told by number and name, and with it a core dump", () => {
  const ended = (exitCode: string, coreDumped?: true) => ({ exitCode, coreDumped }) as Job;
  const dumped = "0:11 (killed by signal 11, SIGSEGV, core dumped)";
  assertEquals(exitText(ended("0:11", true)), dumped);
  assertEquals(exitText(ended("0:9")), "0:9 (killed by signal 9, SIGKILL)");
  assertEquals(exitText(ended("0:37")), "0:37 (killed by signal 37, SIGRTMIN+3)");
  assertEquals(exitText(ended("0:33")), "0:33 (killed by signal 33)");
  assertEquals([exitText(ended("7:0")), exitText(ended("-999:0"))], ["7:0", "-999:0 (unknown)"]);
});

Deno.test("run and wait exit as the job did, and a stopped job is never a success", () => {
  const job = (state: string, exitCode?: string) => exitCodeOf({ state, exitCode } as Job);
  assertEquals(job("COMPLETED", "0:0"), 0);
  assertEquals(job("FAILED", "7:0"), 7);
  assertEquals(job("FAILED", "0:9"), 137);
  assertEquals([job("CANCELLED", "0:0"), job("FAILED", "-999:0"), job("FAILED")], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a queued job tells what it waits for and when it starts; one that has ended what it used", () => {
  const job: Job = {
    id: 14,
    spec: { command: ["x"], cpus: 1, array: "1-9", notBefore: "2026-11-24T18:00:00Z", pool: "gpu" },
    uid: 0,
    state: "QUEUED",
    adopted: false,
    released: false,
    held: true,
    waiting: "its release",
    expectedStart: "2026-11-25T18:00:00Z",
    array: { id: 12, index: 3, size: 9 },
    submittedAt: "2026-11-24T10:00:00Z",
  };
  const told = (job: Job, names: string[]) =>
    describeJob(job, 0).filter((line) => names.includes(line.split(":")[0]!))
      .map((line) => line.replace(/ +/g, " "));
  const waits = ["Waits for", "Starts", "Held"];
  assertEquals(told(job, ["Job", "State", "Array", "Pool", "Not before", ...waits]), [
    "Job: 12_3 (id 14)",
    "State: QUEUED (held)",
    "Waits for: its release",
    "Starts: by 2026-11-25T18:00:00Z at the latest, if jobs run as long as they may",
    "Held: until holdfast release 12_3",
    "Array: 12, 9 jobs, indexes 1-9",
    "Not before: 2026-11-24T18:00:00Z",
    "Pool: gpu",
  ]);
  const usage = { userTimeMs: 1500, systemTimeMs: 700, maxMemory: 3 << 20, readBytes: 0 };
  const ended: Job = { ...job, state: "COMPLETED", usage };
  assertEquals(told(ended, ["CPU time", "Peak memory", "Read", "Written", ...waits]), [
    "CPU time: 2.2s (1.5s user, 0.7s system)",
    "Peak memory: 3.0 MiB",
    "Read: 0 B",
  ]);
  assertEquals(usageCells(usage), ["1.5s", "0.7s", "3.0 MiB", "0 B", ""]);
  assertEquals(usageCells(undefined), ["", "", "", "", ""]);
});

Deno.test("places come from flags, then the environment, then the user", () => {
  const at = (env: Record<string, string>, uid = 1000) => ({
    env: (name: string) => env[name],
    uid,
  });
  assertEquals(stateDirectory("/f", at({ HOLDFAST_STATE_DIR: "/e" })), "/f");
  assertEquals(
    stateDirectory(undefined, at({ HOLDFAST_STATE_DIR: "/e", STATE_DIRECTORY: "/s" })),
    "/e",
  );
  assertEquals(stateDirectory(undefined, at({ STATE_DIRECTORY: "/s" })), "/s");
  assertEquals(stateDirectory(undefined, at({}, 0)), "/var/lib/holdfast");
  assertEquals(stateDirectory(undefined, at({ HOME: "/h" })), "/h/.local/state/holdfast");
  assertEquals(runtimeDirectory(undefined, at({ XDG_RUNTIME_DIR: "/x" })), "/x/holdfast");
  assertEquals(socketPath({}, at({ HOLDFAST_SOCKET: "/s" }, 0)), "/s");
  assertEquals(socketPath({}, at({}, 0)), "/run/holdfast/control.sock");
  assertEquals(configPaths(at({ HOME: "/h" })), [
    "/etc/holdfast/holdfast.toml",
    "/h/.config/holdfast/holdfast.toml",
  ]);
});

Deno.test("a flag wins over the file, the file over the default", () => {
  const where = () => "file:1";
  assertEquals(makeConfig({}, {}, where).retention, 86_400);
  assertEquals(makeConfig({ retention: "2h" }, {}, where).retention, 7200);
  assertEquals(makeConfig({ retention: "2h" }, { retention: "5m" }, where).retention, 300);
});

Deno.test("a wrong value of the configuration is told with the range of right ones", () => {
  const told = (key: string, value: unknown) => {
    try {
      return makeConfig({ [key]: value }, {}, () => "file:1");
    } catch (error) {
      assert(error instanceof ConfigError);
      return error.message;
    }
  };
  const examples = "such as 90s, 5m, 2h or 1d";
  assertEquals(
    told("retention", 0),
    `file:1: retention: 0 is not a duration from 1s to 3650d, ${examples}`,
  );
  assertEquals(
    told("check_interval", "30d"),
    `file:1: check_interval: "30d" is not a duration from 1s to 24d, ${examples}`,
  );
  assertEquals(
    told("cpus", "four"),
    `file:1: cpus: "four" is not a whole number from 1 to 999999999`,
  );
});
