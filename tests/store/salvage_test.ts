import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals } from "../assert.ts";
import { openDatabase } from "../../src/store/database.ts";
import { salvage } from "../../src/store/salvage.ts";

/** A journal with so many jobs, which `body` may damage. */
function withJournal(jobs: number, body: (path: string, database: DatabaseSync) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/journal.db`;
    const database = openDatabase(path, undefined);
    const insert = database.prepare(
      "INSERT INTO jobs (uid, spec, state, submitted_at) VALUES (0, ?, 'QUEUED', 1)",
    );
    for (let id = 1; id <= jobs; id++) insert.run(`spec-${id}-${"x".repeat(100)}`);
    body(path, database);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("a number that is too large for the runtime costs no row", () => {
  withJournal(3, (path, database) => {
    database.prepare("UPDATE jobs SET submitted_at = ? WHERE id = 2").run(2n ** 62n);
    database.close();
    const { jobs, losses } = salvage(path);
    assertEquals(jobs.map(({ id, submitted_at }) => [id, submitted_at]), [[1, 1], [2, 2n ** 62n], [
      3,
      1,
    ]]);
    assertEquals(losses, []);
  });
});

Deno.test("a key that is damaged costs its row alone, wherever it stands", () => {
  for (const garbage of [0, 1, 50, 127]) {
    for (const id of [1, 2, 49, 51, 99, 100]) {
      withJournal(100, (path, database) => {
        database.close();
        const bytes = Deno.readFileSync(path);
        bytes[placeOfKey(bytes, id)] = garbage;
        Deno.writeFileSync(path, bytes);
        const { jobs } = salvage(path);
        const read = new Set(jobs.map(({ spec }) => spec.split("-")[1]));
        assert(read.size >= 99, `${read.size} of 100 rows, key ${id} made ${garbage}`);
      });
    }
  }
});

/** Right before its record, which begins with the length of its header (fileformat2.html#record_format). */
function placeOfKey(bytes: Uint8Array, id: number): number {
  const spec = new TextDecoder("latin1").decode(bytes).indexOf(`spec-${id}-`);
  for (let at = spec - 1; at > spec - 60; at--) {
    if (bytes[at] === spec - at && bytes[at - 1] === id) return at - 1;
  }
  throw new Error(`no key of ${id}`);
}

Deno.test("a sequence that is damaged is not taken for the highest id", () => {
  for (const seq of ["x", -1, 2n ** 62n, 1.5, null]) {
    withJournal(2, (path, database) => {
      database.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'").run(seq);
      database.close();
      const { lastId, losses, jobs } = salvage(path);
      assertEquals([lastId, jobs.length], [undefined, 2]);
      assertEquals(losses, ["the highest key that was ever given in the table jobs"]);
    });
  }
  withJournal(2, (path, database) => {
    database.exec("UPDATE sqlite_sequence SET name = 'x' WHERE name = 'jobs'");
    database.close();
    assertEquals(salvage(path).lastId, undefined);
  });
});
