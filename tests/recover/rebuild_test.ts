/** Journals of which single cells are damaged, really read, rebuilt and opened. */

import fc from "fast-check";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { isSuccess, parseExit } from "../../src/job/exit_status.ts";
import { foresee, readOld } from "../../src/recover/foresee.ts";
import { rebuild } from "../../src/recover/rebuild.ts";
import { RunFiles } from "../../src/host/run_files.ts";
import { COLUMNS } from "../../src/store/columns.ts";
import { JournalFile } from "../../src/store/database.ts";
import { Journal } from "../../src/store/journal.ts";
import type { EventRecord, JobRecord } from "../../src/store/records.ts";
import { wireEvent, wireJob } from "../../src/varlink/wire.ts";
import { type Cell, damage, GROUND, makeState, QUEUED } from "./damaged.ts";

const TRACES = "jobs in runs/";

class State implements Disposable {
  readonly path = Deno.makeTempDirSync();
  readonly journal = `${this.path}/journal.db`;

  get parts() {
    const files = new RunFiles(this.path);
    const who = { ground: GROUND, nodeName: "node", uid: 0, atMs: 9000 };
    return { state: this.path, files, processes: [], ...who };
  }

  async rebuilt() {
    return await rebuild(this.parts, TRACES, () => true);
  }

  /** Why the journal would have to be rebuilt. */
  async trouble(): Promise<string | undefined> {
    const copy = `${this.path}/copy`;
    Deno.copyFileSync(this.journal, copy);
    const { found } = foresee(this.parts, await readOld(copy, TRACES, this.journal));
    return found.trouble && [found.trouble, ...found.losses].join("; ");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

interface Told {
  readonly jobs: readonly JobRecord[];
  readonly events: readonly EventRecord[];
}

/** All that a supervisor and its clients read of a journal, as they do. */
function readAll(path: string): Told {
  const journal = new Journal(new JournalFile(path, TRACES), "node").open();
  journal.liveJobs();
  const { jobs } = journal.list({ limit: 1000 });
  const events = jobs.flatMap(({ id }) => journal.history(id));
  for (const job of jobs) wireJob(job);
  for (const event of [...events, ...journal.eventsAfter(0, undefined, 1000)]) wireEvent(event);
  for (const { name, limit = 1 } of journal.pools()) assert(name !== "" && limit > 0);
  journal.setting("draining");
  // What happens next to each.
  journal.transact(() => {
    for (const job of journal.liveJobs()) {
      if (job.state !== "QUEUED") journal.record(job, { kind: "fenced" }, 9500);
    }
    for (const job of journal.liveJobs()) {
      const attempt = { number: job.attempts + 1, token: "t", ground: GROUND };
      journal.record(job, { kind: "starting", attempt }, 9500);
    }
    const end = { state: "FAILED", reason: "exit", endedAtMs: 9999 } as const;
    for (const job of journal.liveJobs()) {
      journal.record({ ...job, state: "FAILED", end }, { kind: "ended", end }, 9500);
    }
  });
  journal.close();
  return { jobs, events };
}

function checkTruth({ jobs }: Told): void {
  for (const { id, state, reason, exitCode, released } of jobs) {
    const mayHaveRun = !QUEUED.includes(id) && id <= 14;
    assert(!mayHaveRun || state !== "QUEUED", `job ${id}, which may have run, is queued`);
    const isEnded = ["COMPLETED", "FAILED", "CANCELLED"].includes(state);
    assertEquals(released, isEnded, `job ${id} ${state}`);
    assertEquals(reason !== undefined, isEnded, `job ${id} ${state}`);
    if (exitCode !== undefined) parseExit(exitCode);
    const isGood = exitCode !== undefined && isSuccess(parseExit(exitCode));
    if (state === "COMPLETED") assert(isGood, `job ${id} COMPLETED ${exitCode}`);
  }
}

const VALUES: Cell["value"][] = [
  ...[null, "garbage", "", "[1", "{}", "[]", "[2,0]", "[0,99999]", "[true]", "null", "x y\0z"],
  ...[-1, 0, 1, 7, 1.5, -(2 ** 40), 2 ** 40, 2 ** 52, -(2n ** 63n), 2n ** 53n + 1n, 2n ** 63n - 1n],
  ...[new Uint8Array([0xff, 0xfe, 0]), "/", "/sys/fs/cgroup", "/a/../job-4-token-4", "QUEUED"],
  ...["COMPLETED", "RUNNING", "cancel", "exit", "0:0", "999:0", "yes"],
];

const CELLS = [
  ...Object.entries(COLUMNS).flatMap(([table, columns]) =>
    Object.keys(columns).map((column) => ({ table, column }))
  ),
  { table: "sqlite_sequence", column: "seq" },
  { table: "sqlite_sequence", column: "name" },
];

const cell: fc.Arbitrary<Cell> = fc.record({
  where: fc.constantFrom(...CELLS),
  row: fc.nat(30),
  value: fc.constantFrom(...VALUES),
}).map(({ where, row, value }) => ({ ...where, row, value }));

/** What is told of a journal with these cells, once it is rebuilt. */
async function rebuiltWith(cells: readonly Cell[]): Promise<Told> {
  using state = new State();
  makeState(state.path);
  assertEquals(await state.trouble(), undefined);
  const count = cells.filter((cell) => damage(state.journal, cell)).length;
  fc.pre(count === cells.length);
  await state.rebuilt();
  assertEquals(await state.trouble(), undefined, "it must be rebuilt again");
  return readAll(state.journal);
}

Deno.test("whatever a single cell holds, every job of the rebuilt journal can be read, and none runs twice", async () => {
  const holds = async (cell: Cell) => checkTruth(await rebuiltWith([cell]));
  await fc.assert(fc.asyncProperty(cell, holds), { numRuns: 200 });
});

Deno.test("whatever some cells hold, every job of the rebuilt journal can be read", async () => {
  const cells = fc.array(cell, { minLength: 2, maxLength: 12 });
  const holds = async (cells: Cell[]) => void await rebuiltWith(cells);
  await fc.assert(fc.asyncProperty(cells, holds), { numRuns: 100 });
});

Deno.test("a sound journal that is older than its runs is not taken for a damaged one", async () => {
  using state = new State();
  makeState(state.path);
  Deno.mkdirSync(`${state.path}/runs/20`);
  Deno.writeTextFileSync(`${state.path}/runs/20/claim`, "1 2 token-20\n");
  assertEquals(await state.trouble(), undefined);
  const { items, lastId } = await state.rebuilt();
  assertEquals([items.at(-1)!.id, items.at(-1)!.fate, lastId], [20, "started", 20]);
});

Deno.test("where the highest id that was given is lost, none is given again", async () => {
  for (const value of [null, "x", -1, 3, 2n ** 62n]) {
    using state = new State();
    makeState(state.path);
    assert(damage(state.journal, { table: "sqlite_sequence", column: "seq", row: 0, value }));
    const { trouble, lastId, losses } = await state.rebuilt();
    assertMatch(trouble!, /holds values that no holdfast has written/);
    assertMatch(losses.join("\n"), /which jobs above 14 there were: any that were queued are lost/);
    assert(lastId > 14 + 1000);
  }
});
