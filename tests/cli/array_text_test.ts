import fc from "fast-check";
import assert from "node:assert/strict";
import { arrayText, countsText, describeArray, together } from "../../src/cli/array_text.ts";
import { rangesText } from "../../src/cli/job_text.ts";
import { parseArray } from "../../src/job/job_array.ts";
import type { Job } from "../../src/varlink/interface.ts";

const at = (second: number) => new Date(second * 1000).toISOString();

/** The jobs of array 12 with indexes from 1 on; what each has beside that. */
function array(...parts: Partial<Job>[]): Job[] {
  return parts.map((part, i) => ({
    id: 12 + i,
    spec: { command: ["true"], cpus: 1, array: `1-${parts.length}%2` },
    uid: 1,
    state: "QUEUED",
    adopted: false,
    released: false,
    array: { id: 12, index: 1 + i, size: parts.length },
    submittedAt: at(0),
    ...part,
  }));
}

Deno.test("numbers become ranges that are read back as the same numbers", () => {
  assert.equal(rangesText([3, 7, 8, 9]), "3,7-9");
  assert.equal(rangesText([]), "");
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(300), { minLength: 1 }), (numbers) => {
      numbers.sort((a, b) => a - b);
      assert.deepEqual(parseArray(rangesText(numbers)), { indexes: numbers, atOnce: undefined });
    }),
  );
});

Deno.test("an array is told by its id and indexes, and by how many jobs are in which state", () => {
  const jobs = array(
    { state: "COMPLETED" },
    { state: "FAILED" },
    { state: "QUEUED", held: true },
    { state: "RUNNING", stopping: "cancel" },
    { state: "COMPLETED" },
    { state: "RUNNING" },
    { state: "QUEUED" },
  );
  assert.equal(arrayText(jobs[0]!), "12[1-7]");
  assert.equal(
    countsText(jobs),
    "1 RUNNING 1 RUNNING (cancel) 1 QUEUED 1 QUEUED (held) 2 COMPLETED 1 FAILED",
  );
});

Deno.test("an array lasts from its first start to its last end, and uses what its jobs use", () => {
  const [first, second, third] = array(
    { startedAt: at(5), endedAt: at(30), usage: { userTimeMs: 1, systemTimeMs: 2 } },
    {
      startedAt: at(3),
      endedAt: at(9),
      usage: { userTimeMs: 10, systemTimeMs: 20, maxMemory: 7, readBytes: 1, writtenBytes: 0 },
    },
    { usage: { userTimeMs: 0, systemTimeMs: 0, maxMemory: 5, readBytes: 2 } },
  ) as [Job, Job, Job];
  assert.deepEqual(together([first, second]), {
    startedAt: at(3),
    endedAt: at(30),
    elapsedMs: undefined,
    usage: { userTimeMs: 11, systemTimeMs: 22, maxMemory: 7, readBytes: 1, writtenBytes: 0 },
  });
  const { endedAt, usage } = together([first, second, third]);
  assert.deepEqual([endedAt, usage?.maxMemory, usage?.readBytes], [undefined, 7, 3]);
  assert.deepEqual(together(array({})), {
    startedAt: undefined,
    endedAt: undefined,
    elapsedMs: undefined,
    usage: undefined,
  });
});

Deno.test("how long an array lasts is told by its jobs, not by a clock that was moved since", () => {
  const ended = { startedAt: at(3), endedAt: at(900_000), elapsedMs: 5000 };
  const running = { startedAt: at(4), elapsedMs: 7000 };
  assert.equal(together(array(ended, { ...ended, startedAt: at(5) })).elapsedMs, 7000);
  assert.equal(together(array(ended, running, {})).elapsedMs, 8000);
  assert.equal(together(array(ended, {})).elapsedMs, undefined, "it goes on, and no job tells it");
  assert.equal(together(array({ startedAt: at(1), endedAt: at(2) }, running)).elapsedMs, undefined);
});

Deno.test("the summary tells which failed, what the next one waits for and when it starts", () => {
  const lines = describeArray(
    array(
      { state: "FAILED", startedAt: at(1), endedAt: at(2) },
      { state: "FAILED", startedAt: at(1), endedAt: at(2) },
      { state: "QUEUED", waiting: "2 jobs of array 12 run", expectedStart: at(60) },
      { state: "QUEUED", held: true, waiting: "it is held" },
    ),
    5000,
  );
  const fact = (name: string) => lines.find((line) => line.startsWith(`${name}:`));
  assert.match(fact("Array")!, /12, 4 jobs, indexes 1-4%2$/);
  assert.match(fact("State")!, /1 QUEUED 1 QUEUED \(held\) 2 FAILED$/);
  assert.match(fact("Failed")!, /indexes 1-2$/);
  assert.match(fact("Waits for")!, /index 3: 2 jobs of array 12 run$/);
  assert.match(fact("Starts")!, /by 1970-01-01T00:01:00.000Z at the latest, if jobs run as long/);
  assert.match(fact("Held")!, /holdfast release 12$/);
  assert.match(fact("Elapsed")!, /4\.0s$/);
});
