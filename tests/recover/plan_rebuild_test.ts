import { assert, assertEquals } from "../assert.ts";
import type { Remains } from "../../src/recover/plan_remains.ts";
import type { Columns } from "../../src/recover/mend.ts";
import { planRebuild, type RebuildInput } from "../../src/recover/plan_rebuild.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";

const NOTHING: RebuildInput = {
  jobs: [],
  allocations: [],
  events: [],
  remains: new Map(),
  unreadable: [],
  ground: { bootId: "b", pidNamespace: "n" },
  nodeName: "node",
  uid: 0,
  atMs: 9000,
};

function row(id: number, state: string, more: object = {}): Columns {
  const { after = [], ...columns } = more as { after?: number[] };
  const spec = readSpec({ command: ["true"], after });
  assert(!isInvalid(spec));
  const nulls = Object.fromEntries(
    "key name stopping stopping_boot_ms reason message exit_code user_time_ms system_time_ms max_memory started_at ended_at"
      .split(" ").map((name) => [name, null]),
  );
  const attempts = state === "QUEUED" ? 0 : 1;
  const common = { id, uid: 0, spec: JSON.stringify(spec), state, attempts, adopted: 0 };
  return { ...nulls, ...common, submitted_at: 1, ...columns };
}

function event(sequence: number, job_id: number, state: string, reason: string | null = null) {
  return { sequence, at: sequence * 10, job_id, state, reason, message: null };
}

function found(id: number, more: Partial<Remains>): [number, Remains] {
  return [id, { id, hasDirectory: true, isAlive: false, processes: [], ...more }];
}

function fates(input: Partial<RebuildInput>): unknown[] {
  return planRebuild({ ...NOTHING, ...input }).map(({ id, fate, job }) => [id, fate, job?.state]);
}

const claimed = { number: 1, token: "t", atMs: 500 };

Deno.test("whatever is left of a job, one that may have run is never queued", () => {
  const remains = [
    {},
    { claimed },
    { claimed: { number: 1, atMs: 5 } },
    { exitAtMs: 600 },
    { unreadable: "EIO" },
    { claimed, isAlive: true },
  ];
  for (const state of ["QUEUED", "STARTING", "RUNNING", undefined]) {
    for (const more of remains) {
      const jobs = state ? [row(1, state)] : [];
      const [item] = planRebuild({ ...NOTHING, jobs, remains: new Map([found(1, more)]) });
      const isQueued = item!.job?.state === "QUEUED";
      const mayHaveRun = Object.keys(more).length > 0 || (state ?? "QUEUED") !== "QUEUED";
      assert(!(isQueued && mayHaveRun), JSON.stringify([state, more, item]));
      if (item!.fate === "started") assertEquals(item!.allocation!.token.length > 0, true);
      const ground = item!.allocation?.boot_id;
      if (ground) assertEquals(ground, more.isAlive ? "b" : "unknown");
    }
  }
});

Deno.test("a row that is whole is kept; an ended one whatever else there is", () => {
  const ended = row(1, "FAILED", { ended_at: 5, reason: "exit", exit_code: "3:0" });
  const remains = new Map([found(1, { claimed, exitAtMs: 6 })]);
  assertEquals(fates({ jobs: [ended, row(2, "QUEUED")], remains }), [
    [1, "kept", "FAILED"],
    [2, "kept", "QUEUED"],
  ]);
});

Deno.test("an end that was told stays, though its row is lost and its run directory is there", () => {
  const events = [
    event(1, 1, "QUEUED"),
    event(2, 1, "STARTING"),
    event(3, 1, "RUNNING"),
    event(4, 1, "COMPLETED", "exit"),
  ];
  const [item] = planRebuild({
    ...NOTHING,
    events,
    remains: new Map([found(1, { claimed })]),
    unreadable: [1],
  });
  const { state, exit_code, started_at, ended_at } = item!.job!;
  assertEquals([item!.fate, state, exit_code, started_at, ended_at], [
    "ended",
    "COMPLETED",
    "0:0",
    30,
    40,
  ]);
});

Deno.test("a queued job whose row is lost is lost, and so is what was to follow it", () => {
  const jobs = [
    row(3, "QUEUED", { after: [2] }),
    row(4, "QUEUED", { after: [3] }),
    row(5, "QUEUED"),
  ];
  assertEquals(fates({ jobs, events: [event(1, 2, "QUEUED")], unreadable: [1, 2] }), [
    [1, "lost", undefined],
    [2, "lost", undefined],
    [3, "cancelled", "CANCELLED"],
    [4, "cancelled", "CANCELLED"],
    [5, "kept", "QUEUED"],
  ]);
});

Deno.test("a row that does not tell what was asked for counts as lost", () => {
  for (const spec of ["{", "{}", "[]", "null", '"x"', 7, null, "x".repeat(100)]) {
    assertEquals(fates({ jobs: [row(1, "QUEUED", { spec })] }), [[1, "lost", undefined]]);
  }
});

Deno.test("a job whose state cannot be read is never queued, and keeps what was asked for", () => {
  for (const wrong of [{ state: "DONE" }, { state: null }, { ended_at: 3 }]) {
    const [item] = planRebuild({ ...NOTHING, jobs: [row(1, "QUEUED", wrong)] });
    assertEquals([item!.fate, item!.job!.state], ["started", "STARTING"]);
    assertEquals(JSON.parse(item!.job!.spec).command, ["true"]);
    assertEquals(item!.allocation!.boot_id, "unknown");
  }
});
