/** Limits as they are typed, configured and shown. */

import fc from "fast-check";
import { assertEquals, assertMatch } from "../assert.ts";
import { describeJob } from "../../src/cli/job_text.ts";
import { ConfigError, makeConfig } from "../../src/config.ts";
import { LIMIT_NAMES, type Limits } from "../../src/job/limits.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { limitText, parseLimit, parseLimitWord, WrongLimit } from "../../src/limit_text.ts";
import type { Job } from "../../src/varlink/interface.ts";

function whyNot(read: () => unknown): string {
  try {
    return `read as ${JSON.stringify(read())}`;
  } catch (error) {
    if (error instanceof WrongLimit || error instanceof ConfigError) return error.message;
    throw error;
  }
}

Deno.test("a limit is read by its name with dashes or underscores, sizes with units", () => {
  assertEquals(parseLimitWord("open-files=4096"), { openFiles: 4096 });
  assertEquals(parseLimit("core_size", "512M"), { coreSize: 2 ** 29 });
  assertEquals(parseLimitWord("nice=-5"), { nice: -5 });
  assertEquals(parseLimitWord("umask=027"), { umask: "027" });
});

Deno.test("a wrong limit is told with right ones", () => {
  const cases: [string, RegExp][] = [
    ["files=3", /'files' is not a limit; the limits are open-files, core-size, .*log-size/],
    ["openFiles=30", /'openFiles' is not a limit/],
    ["open-files", /written NAME=VALUE/],
    ["open-files=3", /open-files must be at least 16/],
    ["open-files=1M", /a whole number, and '1M' is not/],
    ["core-size=-1", /a size up to 8191T such as/],
    ["nice=20", /at most 19/],
    ["umask=rwx", /octal/],
    ["umask=1777", /octal/],
    ["log-size=1", /at least 65536/],
  ];
  for (const [word, expected] of cases) assertMatch(whyNot(() => parseLimitWord(word)), expected);
});

Deno.test("whatever is read as a limit, a spec may hold", () => {
  const word = fc.tuple(
    fc.constantFrom(...LIMIT_NAMES.map(limitText)),
    fc.oneof(fc.integer({ min: -30, max: 1e6 }).map(String), fc.stringMatching(/^\d{1,3}[KM]?$/)),
  );
  fc.assert(fc.property(word, ([name, value]) => {
    let limits: Limits;
    try {
      limits = parseLimit(name, value);
    } catch {
      return;
    }
    assertEquals(isInvalid(readSpec({ command: ["x"], limits })), false);
  }));
});

Deno.test("limits of the node are a table of the file, and a flag that wins over it", () => {
  const where = () => "file:1";
  const file = { default_limits: { open_files: 100, nice: 3 }, max_limits: { core_size: "1M" } };
  const config = makeConfig(file, { default_limits: ["open-files=200"] }, where);
  assertEquals(config.default_limits, { openFiles: 200, nice: 3, logSize: 2 ** 30 });
  assertEquals(config.max_limits, { coreSize: 2 ** 20 });
  assertEquals(makeConfig({}, { max_limits: ["log-size=1M"] }, where).default_limits, {
    logSize: 2 ** 20,
  });
});

Deno.test("a wrong limit of the configuration is told with its line, or its flag", () => {
  const where = (key: string) => `file:<${key}>`;
  const cases: [Record<string, unknown>, Record<string, unknown>, RegExp][] = [
    [{ max_limits: { files: 3 } }, {}, /^file:<max_limits.files>: max_limits: 'files' is not a/],
    [{ default_limits: 3 }, {}, /^file:<default_limits>: default_limits is not a table/],
    [{ default_limits: { umask: 18 } }, {}, /<default_limits.umask>: .*umask must be octal/],
    [{ max_limits: { umask: "022" } }, {}, /umask has a default and no maximum/],
    [{}, { max_limits: ["nice"] }, /^--max-limits: 'nice' is not a limit, which is written/],
    [
      { default_limits: { nice: 3 }, max_limits: { nice: 5 } },
      {},
      /<default_limits>: default_limits: nice is beyond its maximum 5/,
    ],
    [{ max_limits: { open_files: 20 } }, { default_limits: ["open-files=30"] }, /maximum 20/],
  ];
  for (const [file, flags, expected] of cases) {
    assertMatch(whyNot(() => makeConfig(file, flags, where)), expected);
  }
});

Deno.test("status shows limits in the units that are typed, and a set of CPUs as ranges", () => {
  const shown = (cpuSet?: number[]) => {
    const limits = { openFiles: 100, coreSize: 0, logSize: 2 ** 30, umask: "027" };
    const spec = { command: ["x"], pin: "exclusive", limits };
    const job = { id: 1, spec, state: "QUEUED", cpuSet } as unknown as Job;
    return describeJob(job, 0).filter((line) => /^(Limits|Pinned)/.test(line)).join("\n");
  };
  assertMatch(shown([0, 1, 2, 5, 7, 8]), /^Pinned: +exclusive, CPUs 0-2,5,7-8$/m);
  assertMatch(shown(), /^Pinned: +exclusive$/m);
  assertMatch(shown(), /^Limits: +open-files 100, core-size 0 B, log-size 1.0 GiB, umask 027$/m);
});
