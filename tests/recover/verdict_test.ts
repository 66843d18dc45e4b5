/** The table of recovery, row by row, and what must hold for every row there could be. */

import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import type { StartedJob } from "../../src/job/job.ts";
import { countFates, makePlan } from "../../src/recover/plan.ts";
import { type Evidence, verdict } from "../../src/recover/verdict.ts";
import { demand, leader, running, shim, starting } from "./started.ts";

const nothing: Evidence = {
  sameGround: true,
  held: false,
  claim: "none",
  shim: "mismatch",
  leader: "mismatch",
  atMs: 9,
};
const claimed: Evidence = { ...nothing, claim: "shim", shimIdentity: shim };
const ran: Evidence = { ...claimed, leaderIdentity: leader, startedAtMs: 2 };
const byJob = { why: "why", by: "job" } as const, byNode = { why: "why", by: "node" } as const;
const exit7 = { status: { code: 7, signal: 0 }, atMs: 8 };

function endOf(job: StartedJob, seen: Evidence): string {
  const found = verdict(job, seen);
  if (found.kind !== "over") return found.kind;
  const { state, reason, exit } = found.end;
  return `${state} ${reason} ${exit ? `${exit.code}:${exit.signal}` : "-"}`;
}

const rows: [string, StartedJob, Evidence, string][] = [
  ["a record ends it", running, { ...ran, exit: exit7 }, "FAILED exit 7:0"],
  ["a record ends a start too", starting, { ...ran, exit: exit7 }, "FAILED exit 7:0"],
  [
    "a record counts in another boot",
    running,
    { ...ran, sameGround: false, exit: exit7 },
    "FAILED exit 7:0",
  ],
  ["a record counts when nothing else can be read", running, {
    ...ran,
    unreadable: "EIO",
    exit: exit7,
  }, "FAILED exit 7:0"],
  [
    "a process was killed for want of memory",
    running,
    { ...ran, exit: { status: { code: 0, signal: 9 }, atMs: 8 }, ranOutOfMemory: true },
    "FAILED outOfMemory 0:9",
  ],
  [
    "a process was killed for want of memory, and the job did without it",
    running,
    { ...ran, exit: { status: { code: 0, signal: 0 }, atMs: 8 }, ranOutOfMemory: true },
    "COMPLETED exit 0:0",
  ],
  ["another boot without a record", running, { ...ran, sameGround: false }, "FAILED reboot -999:0"],
  [
    "another boot, a start without a claim",
    starting,
    { ...nothing, sameGround: false },
    "FAILED reboot -999:0",
  ],
  ["the shim lives", running, { ...ran, shim: "match", leader: "match" }, "running"],
  [
    "the shim lives and is held",
    running,
    { ...ran, held: true, shim: "match", leader: "match" },
    "keep",
  ],
  ["the shim lives, its leader has ended", running, { ...ran, held: true, shim: "match" }, "keep"],
  ["the leader lives alone", running, { ...ran, leader: "match" }, "running"],
  ["the leader lives alone and is held", running, { ...ran, held: true, leader: "match" }, "keep"],
  ["the shim has claimed and no leader is known", starting, { ...claimed, shim: "match" }, "keep"],
  [
    "the leader is known",
    starting,
    { ...ran, held: true, shim: "match", leader: "match" },
    "running",
  ],
  ["no claim", starting, nothing, "fence"],
  ["no claim, and our own shim has ended", starting, { ...nothing, held: true }, "fence"],
  ["no claim, and the node could not fork a shim", starting, {
    ...nothing,
    held: true,
    refusal: byNode,
  }, "withdrawn"],
  [
    "its run directory is gone",
    starting,
    { ...nothing, claim: "lost" },
    "FAILED interrupted -999:0",
  ],
  ["its run directory is gone, and it lives", starting, {
    ...ran,
    claim: "lost",
    held: true,
    leader: "match",
  }, "running"],
  ["its leader has not executed the command", starting, {
    ...ran,
    held: true,
    shim: "match",
    leader: "match",
    startStep: "looking",
  }, "keep"],
  ["its leader has ended, and its shim has not told how", starting, {
    ...ran,
    held: true,
    shim: "match",
  }, "keep"],
  ["its leader has executed and ended, and its shim has not told how", starting, {
    ...ran,
    held: true,
    shim: "match",
    isExecuted: true,
  }, "running"],
  [
    "no claim yet, and our own shim lives",
    starting,
    { ...nothing, held: true, shim: "match" },
    "keep",
  ],
  ["fenced", starting, { ...nothing, claim: "fence" }, "withdrawn"],
  ["claimed, shim gone before it named a leader", starting, claimed, "FAILED startFailed -"],
  ["claimed, shim gone, its leader too, no record", starting, ran, "FAILED interrupted -999:0"],
  ["shim and leader gone, no record", running, ran, "FAILED interrupted -999:0"],
  [
    "nothing was executed",
    starting,
    { ...claimed, exit: exit7, refusal: byJob },
    "FAILED startFailed -",
  ],
  ["the shim cannot be looked at", running, { ...ran, shim: "unverifiable" }, "unverifiable"],
  ["the leader cannot be looked at", running, { ...ran, leader: "unverifiable" }, "unverifiable"],
  ["files cannot be read", starting, { ...nothing, unreadable: "EIO" }, "unverifiable"],
];

for (const [name, job, seen, expected] of rows) {
  Deno.test(`verdict: ${name} -> ${expected}`, () => assertEquals(endOf(job, seen), expected));
}

Deno.test("a stop under way decides the end, and the exit status is kept", () => {
  const stopped: StartedJob = { ...running, stopping: { kind: "cancel", sinceBootMs: 1 } };
  assertEquals(endOf(stopped, { ...ran, exit: exit7 }), "CANCELLED cancelled 7:0");
  assertEquals(endOf(stopped, ran), "CANCELLED cancelled -999:0");
  const late: StartedJob = { ...running, stopping: { kind: "timeout", sinceBootMs: 1 } };
  assertEquals(endOf(late, { ...ran, exit: exit7 }), "FAILED timeout 7:0");
  assertEquals(
    endOf(late, { ...ran, exit: exit7, ranOutOfMemory: true }),
    "FAILED timeout 7:0",
  );
});

const checks = fc.constantFrom("match", "mismatch", "unverifiable") as fc.Arbitrary<
  Evidence["shim"]
>;
const evidence: fc.Arbitrary<Evidence> = fc.record({
  sameGround: fc.boolean(),
  held: fc.boolean(),
  claim: fc.constantFrom("none", "fence", "shim", "lost"),
  shim: checks,
  shimIdentity: fc.constantFrom(undefined, shim),
  leader: checks,
  leaderIdentity: fc.constantFrom(undefined, leader),
  exit: fc.constantFrom(undefined, exit7, { ...exit7, status: { code: 0, signal: 0 } }),
  ranOutOfMemory: fc.boolean(),
  startStep: fc.constantFrom(undefined, "looking"),
  isExecuted: fc.boolean(),
  refusal: fc.constantFrom(undefined, byJob, byNode),
  unreadable: fc.constantFrom(undefined, "EIO"),
  atMs: fc.constant(9),
}) as fc.Arbitrary<Evidence>;
const jobs: fc.Arbitrary<StartedJob> = fc.tuple(
  fc.constantFrom<StartedJob>(starting, running),
  fc.constantFrom(undefined, { kind: "cancel", sinceBootMs: 1 } as const),
).map(([job, stopping]) => ({ ...job, stopping }));

Deno.test("without a status nobody is COMPLETED, and no status is made up", () => {
  fc.assert(
    fc.property(jobs, evidence, (job, seen) => {
      const found = verdict(job, seen);
      if (found.kind !== "over") return;
      if (found.end.state === "COMPLETED") assertEquals(seen.exit?.status, { code: 0, signal: 0 });
      if (!seen.exit && found.end.exit) assertEquals(found.end.exit, { code: -999, signal: 0 });
    }),
    { numRuns: 5000 },
  );
});

Deno.test("out of memory are those alone whose own exit is no success and whom nobody stopped", () => {
  fc.assert(
    fc.property(jobs, evidence, (job, seen) => {
      const found = verdict(job, seen);
      if (found.kind !== "over") return;
      const { status } = seen.exit ?? {};
      const failed = status !== undefined && (status.code !== 0 || status.signal !== 0);
      const expected = failed && seen.ranOutOfMemory && seen.refusal === undefined &&
        !job.stopping;
      assertEquals(found.end.reason === "outOfMemory", expected);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("a job that needed more than its memory is told how much that was", () => {
  const small = { ...running, demand: { ...demand, memory: 64 << 20 } };
  const found = verdict(small, { ...ran, exit: exit7, ranOutOfMemory: true });
  assert(found.kind === "over");
  assertEquals(found.end.message, "it needed more than its memory of 64 MiB");
});

Deno.test("what may have run is never withdrawn or fenced", () => {
  fc.assert(
    fc.property(jobs, evidence, (job, seen) => {
      const found = verdict(job, seen);
      if (found.kind === "fence") assert(job.state === "STARTING" && seen.claim === "none");
      if (found.kind !== "withdrawn") return;
      const isRefused = seen.refusal?.by === "node";
      assert(job.state === "STARTING" && (seen.claim === "fence" || isRefused));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("what lives in this boot is not ended but by its record", () => {
  fc.assert(
    fc.property(jobs, evidence, (job, seen) => {
      const lives = seen.shim === "match" || (seen.leader === "match" && seen.leaderIdentity);
      const never = seen.refusal || seen.claim === "fence";
      if (!lives || seen.exit || never || !seen.sameGround) return;
      assert(verdict(job, seen).kind !== "over");
    }),
    { numRuns: 5000 },
  );
});

Deno.test("the plan decides every job's fate, once", () => {
  const queued = {
    id: 2,
    demand,
    attempts: 0,
    submittedAtMs: 0,
    state: "QUEUED",
    held: false,
  } as const;
  const looks = new Map<number, Evidence>([[1, ran], [3, nothing], [4, {
    ...ran,
    shim: "match",
    leader: "match",
  }], [5, { ...ran, exit: exit7 }]]);
  const started = [1, 4, 5].map((id) => ({ ...running, id }));
  const plan = makePlan([queued, ...started, { ...starting, id: 3 }], (job) => looks.get(job.id)!);
  assertEquals(plan.map(({ job, fate }) => `${job.id} ${fate}`).sort(), [
    "1 interrupted",
    "2 kept",
    "3 requeued",
    "4 adopted",
    "5 ended",
  ]);
  assertEquals(countFates(plan), { kept: 1, adopted: 1, requeued: 1, ended: 1, interrupted: 1 });
});
