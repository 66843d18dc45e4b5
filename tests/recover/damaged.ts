/** A state directory with jobs in every state, and single cells of its journal that are damaged. */

import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { assert } from "../assert.ts";
import { type Change, type End, type Job, type Stop, transition } from "../../src/job/job.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { JournalFile } from "../../src/store/database.ts";
import { Journal } from "../../src/store/journal.ts";
import type { Row } from "../../src/store/records.ts";

export const GROUND = { bootId: "boot", pidNamespace: "pid:[1]@1" };
export const QUEUED = [8, 9, 11, 12, 13];
/** Its attempt was never claimed, and may still be. */
export const UNCLAIMED = 7;
const CLAIMED = [1, 2, 4, 5, 6, 10, 14];

export interface Cell {
  readonly table: string;
  readonly column: string;
  /** The how-manyth row. */
  readonly row: number;
  readonly value: SQLInputValue;
}

function spec(more: object) {
  const read = readSpec({ command: ["true", "x"], ...more });
  assert(!isInvalid(read));
  return read;
}

export function makeState(state: string): void {
  for (const name of ["runs", "exits"]) Deno.mkdirSync(`${state}/${name}`);
  const journal = new Journal(new JournalFile(`${state}/journal.db`), "node").open();
  journal.transact(() => fill(journal));
  journal.close();
  for (const id of [...CLAIMED, 13]) {
    Deno.mkdirSync(`${state}/runs/${id}`);
    const claim = id === 13 ? "fence\n" : `${1000 + id} 5 token-${id}\n`;
    Deno.writeTextFileSync(`${state}/runs/${id}/claim`, claim);
  }
}

function fill(journal: Journal): void {
  const submission = (more: object) => ({ spec: spec(more), uid: 0, atMs: 1000 });
  const add = (more: object = {}) => journal.insertJob(submission(more)).id;
  const follow = (id: number, ...changes: Change[]) => {
    let job: Job = journal.liveJobs().find((live) => live.id === id)!;
    for (const change of changes) {
      job = transition(job, change);
      journal.record(job, change, 2500);
    }
  };
  const starting = (id: number, more = {}): Change => {
    const attempt = { number: 1, token: `token-${id}`, ground: GROUND, ...more };
    return { kind: "starting", attempt };
  };
  const running = (id: number): Change => {
    const [shim, leader] = [{ pid: 1000 + id, startTicks: 5 }, { pid: 2000 + id, startTicks: 6 }];
    return { kind: "running", shim, leader, startedAtMs: 2000, adopted: false };
  };
  const stopping = (kind: Stop): Change => ({
    kind: "stopping",
    stopping: { kind, sinceBootMs: 7 },
  });
  const ended = (end: Omit<End, "endedAtMs">): Change => {
    return { kind: "ended", end: { ...end, endedAtMs: 3000 } };
  };
  const usage = {
    userTimeMs: 10,
    systemTimeMs: 20,
    maxMemory: 4096,
    readBytes: 1,
    writtenBytes: 2,
  };
  const exit = (code: number) => ({ exit: { code, signal: 0 }, usage });

  follow(add(), starting(1), running(1), ended({ state: "COMPLETED", reason: "exit", ...exit(0) }));
  const failed = ended({ state: "FAILED", reason: "exit", message: "seven", ...exit(7) });
  follow(add({ key: "k2", name: "two" }), starting(2), running(2), failed);
  follow(add({ after: [2] }), ended({ state: "CANCELLED", reason: "dependency" }));
  const pinned = { cpuSet: [0, 2], cgroup: "/sys/fs/cgroup/holdfast-1/job-4-token-4" };
  follow(add({ cpus: 2, memory: 100, pin: "exclusive" }), starting(4, pinned), running(4));
  follow(add(), starting(5), running(5), stopping("cancel"));
  follow(add(), starting(6), stopping("shutdown"));
  follow(add(), starting(UNCLAIMED));
  add({
    key: "k8",
    environment: { A: "b" },
    limits: { nice: 5 },
    notBefore: "2999-01-01T00:00:00Z",
  });
  add({ hold: true, pool: "gpu", priority: 3 });
  const array = { array: "1,3,5%2", key: "k10" };
  [1, 3, 5].forEach((index, i) => {
    const { spec } = submission(array);
    const member = { id: 10, index, size: 3 };
    journal.insertMember(submission(array), JSON.stringify(spec), 10 + i, member);
    journal.announce(10 + i, 1000);
  });
  follow(10, starting(10), running(10));
  follow(add(), starting(13), { kind: "fenced" });
  const late = ended({ state: "FAILED", reason: "timeout", ...exit(0) });
  follow(add(), starting(14), running(14), stopping("timeout"), late);
  journal.beginLargeChange("hold", [11, 12], 2000);
  journal.setPool({ name: "gpu", limit: 2, paused: false });
  journal.setPool({ name: "big", paused: true });
  journal.setSetting("draining", "yes");
  journal.setSetting("written", "1700000000000");
}

/** What keeps a cell from holding anything, as the schema of a file says it. */
const GUARDS = /STRICT, |STRICT|(?<!IS )NOT NULL/g;

/**
 * Puts a value where the schema would not have it, as damage does. False where not even the format of
 * the file can hold it there.
 */
export function damage(path: string, { table, column, row, value }: Cell): boolean {
  const places = placesOf(GUARDS, Deno.readFileSync(path));
  write(path, places.map(({ at, text }) => ({ at, text: " ".repeat(text.length) })));
  try {
    using database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    const named = database.prepare("SELECT name FROM pragma_table_info(?) WHERE pk = 1").get(table);
    const key = named?.name ?? "rowid";
    const { rows } = database.prepare(`SELECT COUNT(*) AS rows FROM ${table}`).get() as Row;
    database.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} =
      (SELECT ${key} FROM ${table} ORDER BY ${key} LIMIT 1 OFFSET ?)`).run(value, row % rows);
    return true;
  } catch (error) {
    if (/mismatch|constraint failed/.test(String(error))) return false;
    throw error;
  } finally {
    write(path, places);
  }
}

interface Place {
  readonly at: number;
  readonly text: string;
}

function placesOf(pattern: RegExp, bytes: Uint8Array): Place[] {
  const file = new TextDecoder("latin1").decode(bytes);
  return [...file.matchAll(pattern)].map(({ index, 0: text }) => ({ at: index, text }));
}

function write(path: string, places: readonly Place[]): void {
  using file = Deno.openSync(path, { write: true });
  for (const { at, text } of places) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(text));
  }
}
