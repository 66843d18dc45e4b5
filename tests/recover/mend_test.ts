import { assert, assertEquals, assertMatch } from "../assert.ts";
import { type Columns, mendEvents, mendPools, mendSettings } from "../../src/recover/mend.ts";
import { planRebuild, type RebuildInput, strayRows } from "../../src/recover/plan_rebuild.ts";
import type { Remains } from "../../src/recover/plan_remains.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";

const GROUND = { bootId: "now", pidNamespace: "here" };
const CLAIMED = { number: 1, token: "token-1", atMs: 500 };

function row(state: string, more: Columns = {}, spec: object = {}): Columns {
  const full = readSpec({ command: ["true"], ...spec });
  assert(!isInvalid(full));
  const { name = null, key = null } = full;
  const attempts = state === "QUEUED" ? 0 : 1;
  const common = {
    id: 1,
    uid: 0,
    spec: JSON.stringify(full),
    state,
    attempts,
    adopted: 0,
    held: 0,
  };
  const running = state === "RUNNING" ? { started_at: 2 } : {};
  return { ...common, name, key, submitted_at: 1, ...running, ...more };
}

function allocation(more: Columns = {}): Columns {
  const pids = { process_id: 5, process_start_ticks: 6, shim_process_id: 3, shim_start_ticks: 4 };
  const where = { boot_id: "now", pid_namespace: "here", token: "token-1" };
  const common = { job_id: 1, allocated_cpus: 1, allocated_memory: 0, node_name: "n", released: 0 };
  return { ...common, ...pids, ...where, ...more };
}

function event(sequence: number, state: string, more: Columns = {}): Columns {
  const nothing = { stopping: null, reason: null, message: null };
  return { sequence, at: sequence * 10, job_id: 1, state, ...nothing, ...more };
}

function remains(more: Partial<Remains>): RebuildInput["remains"] {
  return new Map([[1, { id: 1, hasDirectory: true, isAlive: false, processes: [], ...more }]]);
}

function plan(input: Partial<RebuildInput>) {
  const nothing = { jobs: [], allocations: [], events: [], remains: new Map(), unreadable: [] };
  const who = { ground: GROUND, nodeName: "node", uid: 7, atMs: 9000 };
  const [item] = planRebuild({ ...nothing, ...who, ...input });
  return item!;
}

Deno.test("a job whose set of CPUs cannot be read keeps all but that", () => {
  for (
    const cpu_set of [
      "garbage",
      "[1",
      "{}",
      "[]",
      "[1,0]",
      "[0,0]",
      "[-1]",
      "[1.5]",
      "[9999]",
      "[true]",
      7,
    ]
  ) {
    const input = { jobs: [row("RUNNING")], allocations: [allocation({ cpu_set })] };
    const { fate, damaged, allocation: kept } = plan(input);
    assertEquals([fate, damaged, kept!.cpu_set, kept!.process_id], ["kept", ["cpu_set"], null, 5]);
  }
  const pinned = { jobs: [row("RUNNING", {}, { cpus: 2 })] };
  const set = (cpu_set: string) =>
    plan({ ...pinned, allocations: [allocation({ allocated_cpus: 2, cpu_set })] });
  assertEquals(set("[0,2]").damaged, []);
  assertEquals(set("[0]").damaged, ["cpu_set"]);
});

Deno.test("a cgroup that is not the job's own is never taken for it", () => {
  const own = "/sys/fs/cgroup/holdfast-1/job-1-token-1";
  const other = [
    "/",
    "/sys/fs/cgroup",
    "sys/job-1-token-1",
    "/a/../job-1-token-1",
    "/a/job-2-token-1",
  ];
  for (const cgroup of [own, ...other, "/a/job-1-other", "/a/job-1-token-1/", `${own}\0`]) {
    const item = plan({ jobs: [row("RUNNING")], allocations: [allocation({ cgroup })] });
    assertEquals(item.allocation!.cgroup, cgroup === own ? own : null);
    assertEquals(item.damaged, cgroup === own ? [] : ["cgroup"]);
  }
  const lost = plan({
    jobs: [row("RUNNING", { spec: "{" })],
    allocations: [allocation({ cgroup: "/sys/fs/cgroup" })],
    remains: remains({ claimed: CLAIMED }),
  });
  assertEquals([lost.fate, lost.allocation!.token, lost.allocation!.cgroup], [
    "started",
    "token-1",
    null,
  ]);
});

Deno.test("what a spec says twice is restored from it", () => {
  const { job, damaged } = plan({
    jobs: [row("QUEUED", { key: "x", name: null }, { key: "k", name: "n" })],
  });
  assertEquals([job!.key, job!.name, damaged], ["k", "n", ["name", "key"]]);
});

Deno.test("of two jobs under one key the first has it", () => {
  const jobs = [1, 2].map((id) => row("QUEUED", { id }, { key: "k" }));
  const items = planRebuild({
    jobs,
    allocations: [],
    events: [],
    remains: new Map(),
    unreadable: [],
    ground: GROUND,
    nodeName: "node",
    uid: 0,
    atMs: 1,
  });
  assertEquals(items.map(({ job }) => [job!.key, JSON.parse(job!.spec).key]), [
    ["k", "k"],
    [null, undefined],
  ]);
});

Deno.test("the place of a job in its array follows from any two of id, index and size", () => {
  const place = { id: 12, array_id: 10, array_index: 5, array_size: 3 };
  const at = (more: Columns) =>
    plan({ jobs: [row("QUEUED", { ...place, ...more }, { array: "1,3,5%2" })] });
  for (
    const lost of [{ array_id: null }, { array_index: -1 }, { array_size: 2 ** 40 }, {
      array_id: 11,
    }]
  ) {
    const { job, fate, damaged } = at(lost);
    if (lost.array_id === 11) {
      assertEquals([fate, job!.array_id], ["started", null], "it must not run under a wrong index");
      continue;
    }
    assertEquals([fate, damaged], ["kept", Object.keys(lost)]);
    assertEquals([job!.array_id, job!.array_index, job!.array_size], [10, 5, 3]);
  }
  assertEquals(at({}).damaged, []);
  assertEquals(at({ array_id: null, array_index: null }).job!.state, "STARTING");
});

Deno.test("a state that cannot be read is taken from events, and is never made QUEUED", () => {
  const events = [event(1, "QUEUED"), event(2, "STARTING"), event(3, "RUNNING")];
  const running = row("RUNNING", { state: "x" });
  const { fate, job } = plan({ jobs: [running], allocations: [allocation()], events });
  assertEquals([fate, job!.state], ["kept", "RUNNING"]);
  const ended = plan({
    jobs: [{ ...running, ended_at: 40, exit_code: "7:0", reason: "exit" }],
    events: [...events, event(4, "FAILED", { reason: "exit" })],
  });
  assertEquals([ended.job!.state, ended.job!.exit_code, ended.job!.ended_at], [
    "FAILED",
    "7:0",
    40,
  ]);
  assertEquals(plan({ jobs: [row("x")], events: [event(1, "QUEUED")] }).job!.state, "STARTING");
  const queued = plan({ jobs: [row("QUEUED")], events: events.slice(0, 2) });
  assertEquals(queued.job!.state, "STARTING", "its events say that it has been started");
});

Deno.test("an end whose facts are lost has those of its event, and never a success that is not known", () => {
  const end = { state: "FAILED", ended_at: 40, reason: "exit", exit_code: "7:0", started_at: 2 };
  const at = (more: Columns, events: Columns[] = []) =>
    plan({ jobs: [row("FAILED", { ...end, ...more })], events }).job!;
  const told = [event(4, "FAILED", { reason: "signal", message: "why" })];
  assertEquals(at({ reason: "x" }, told).reason, "signal");
  assertEquals([at({ reason: null }).reason, at({ reason: null, exit_code: "0:9" }).reason], [
    "exit",
    "signal",
  ]);
  assertEquals(at({ exit_code: "zero" }).exit_code, "-999:0");
  assertEquals(at({ exit_code: null }).exit_code, "-999:0");
  assertEquals(at({ ended_at: -1 }, told).ended_at, 40);
  assertEquals(at({ ended_at: -1 }).ended_at, 2);
  const good = plan({ jobs: [row("COMPLETED", { ...end, state: "COMPLETED", exit_code: "x" })] });
  assertEquals(good.job!.exit_code, "0:0");
});

Deno.test("the number of an attempt is never above what can have been claimed", () => {
  const events = [event(1, "QUEUED"), event(2, "STARTING")];
  const at = (attempts: number, more: Partial<RebuildInput> = {}) =>
    plan({
      jobs: [row("STARTING", { attempts })],
      allocations: [allocation({ process_id: null, process_start_ticks: null })],
      events,
      ...more,
    }).job!;
  for (const attempts of [0, 2, 5, -3, 2 ** 50, NaN]) assertEquals(at(attempts).attempts, 1);
  const queued = plan({ jobs: [row("QUEUED", { attempts: 2 ** 50 })], events: events.slice(0, 1) });
  assertEquals([queued.fate, queued.job!.attempts], ["kept", 0]);
  const claimed = { claimed: { ...CLAIMED, number: 2 } };
  assertEquals(at(1, { remains: remains(claimed) }).attempts, 2);
});

Deno.test("the claim tells the token and the processes that an allocation has lost", () => {
  const claimed = remains({ claimed: CLAIMED });
  const at = (state: string, more: Columns) =>
    plan({ jobs: [row(state)], allocations: [allocation(more)], remains: claimed });
  const { job, allocation: kept } = at("RUNNING", { token: "x y" });
  assertEquals([job!.state, kept!.token, kept!.process_id], ["RUNNING", "token-1", 5]);
  const cgroup = "/sys/job-1-token-1";
  for (
    const pid of [{ process_id: 2 ** 40 }, { shim_process_id: null }, { shim_start_ticks: -1 }]
  ) {
    const { fate, job, allocation: kept } = at("RUNNING", { ...pid, cgroup });
    // A start finds them by the claim, and adopts it.
    assertEquals([fate, job!.state, kept!.token, kept!.process_id, kept!.cgroup, kept!.boot_id], [
      "started",
      "STARTING",
      "token-1",
      null,
      cgroup,
      "now",
    ]);
  }
});

Deno.test("what lives here under the token of its claim runs here, whatever its row says", () => {
  const ground = { boot_id: "another", pid_namespace: "there" };
  const input = { jobs: [row("RUNNING")], allocations: [allocation(ground)] };
  const alive = plan({ ...input, remains: remains({ claimed: CLAIMED, isAlive: true }) });
  assertEquals([alive.fate, alive.allocation!.boot_id], ["kept", "now"]);
  assertEquals(plan(input).allocation!.boot_id, "another");
  const unknown = plan({ ...input, allocations: [allocation({ boot_id: null })] });
  assertEquals(unknown.allocation!.boot_id, "unknown");
});

Deno.test("processes that live under the claim are the job's, whatever its allocation names", () => {
  const process = { job: 1, token: "token-1", session: 5, command: ["true"], environment: {} };
  const shim = { ...process, pid: 3, startTicks: 4 },
    leader = { ...process, pid: 5, startTicks: 6 };
  const living = remains({ claimed: CLAIMED, isAlive: true, shim, leader });
  const wrong = [
    ...[{ process_id: 7 }, { process_id: null }, { process_start_ticks: 2 ** 50 }],
    ...[{ shim_start_ticks: 5 }, { shim_process_id: -1 }],
  ];
  for (const more of [{}, ...wrong]) {
    const { fate, damaged, allocation: kept } = plan({
      jobs: [row("RUNNING")],
      allocations: [allocation(more)],
      remains: living,
    });
    assertEquals([fate, damaged], ["kept", Object.keys(more)]);
    assertEquals(kept!.process_id, 5);
    assertEquals([kept!.process_start_ticks, kept!.shim_process_id, kept!.shim_start_ticks], [
      6,
      3,
      4,
    ]);
  }
});

Deno.test("an attempt that nobody has claimed, and of which not all is known, cannot be queued again", () => {
  const lost = [{ token: null }, { process_id: -1 }];
  for (const more of lost) {
    const item = plan({ jobs: [row("RUNNING")], allocations: [allocation(more)] });
    assertEquals([item.job!.state, item.allocation!.boot_id], ["STARTING", "unknown"]);
  }
});

Deno.test("a stop of which a part is lost goes on", () => {
  const events = [event(1, "QUEUED"), event(2, "RUNNING", { stopping: "timeout" })];
  const at = (more: Columns) =>
    plan({
      jobs: [row("RUNNING", { stopping: "cancel", stopping_boot_ms: 70, ...more })],
      allocations: [allocation()],
      events,
    }).job!;
  assertEquals(at({ stopping_boot_ms: 2 ** 40 }).stopping_boot_ms, 0, "it would never come");
  assertEquals([at({ stopping: "x" }).stopping, at({ stopping: "x" }).stopping_boot_ms], [
    "timeout",
    70,
  ]);
  assertEquals([
    at({ stopping_boot_ms: -1 }).stopping,
    at({ stopping_boot_ms: -1 }).stopping_boot_ms,
  ], [
    "cancel",
    0,
  ]);
});

Deno.test("a job that may have been held waits until it is released", () => {
  const { job, fate } = plan({ jobs: [row("QUEUED", { held: "x" })] });
  assertEquals([fate, job!.held], ["kept", 1]);
});

Deno.test("a node that may have been draining does, and a pool of which not all is known is paused", () => {
  const settings = mendSettings([
    { name: "draining", value: "ye" },
    { name: "written", value: "x" },
    { name: "x", value: "yes" },
  ]);
  assertEquals(settings.rows, [{ name: "draining", value: "yes" }]);
  assertEquals(settings.losses.length, 3);
  const pools = mendPools([
    { name: "a", job_limit: -1, paused: 0 },
    { name: "b", job_limit: 2, paused: "x" },
    { name: "c d", job_limit: 2, paused: 0 },
    { name: "e", job_limit: null, paused: 0 },
    { name: "e", job_limit: 3, paused: 0 },
  ]);
  assertEquals(pools.rows, [
    { name: "a", job_limit: null, paused: 1 },
    { name: "b", job_limit: 2, paused: 1 },
    { name: "e", job_limit: null, paused: 0 },
  ]);
});

Deno.test("an event of which something may be missing stays without it, and one that makes no sense is left out", () => {
  const { rows, losses } = mendEvents([
    event(1, "RUNNING", { reason: "x", stopping: 7 }),
    event(2, "DONE"),
    event(3, "QUEUED", { at: 2 ** 60 }),
    event(4, "FAILED", { message: 5, reason: "exit" }),
  ]);
  assertEquals(rows, [event(1, "RUNNING"), event(4, "FAILED", { reason: "exit" })]);
  assertMatch(losses[1]!, /^state of the row 2 of events, which is left out$/);
});

Deno.test("a row under an id that was never given belongs to nobody", () => {
  const input = {
    jobs: [row("QUEUED", { id: 2 ** 40 }), row("QUEUED", { id: -5 }), row("QUEUED", { id: 3 })],
    allocations: [allocation({ job_id: 99n })],
    events: [event(1, "QUEUED")],
    remains: new Map(),
    unreadable: [],
    lastId: 3,
    ground: GROUND,
    nodeName: "node",
    uid: 0,
    atMs: 1,
  };
  assertEquals(planRebuild(input).map(({ id, fate }) => [id, fate]), [[1, "lost"], [3, "kept"]]);
  assertEquals(strayRows(input).length, 3);
});
