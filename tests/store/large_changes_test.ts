/** Large changes in the journal: whole for every reader, and left off where a supervisor has died. */

import { assert, assertEquals } from "../assert.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { JournalFile } from "../../src/store/database.ts";
import { Journal } from "../../src/store/journal.ts";

function spec(more: object = {}) {
  const read = readSpec({ command: ["true"], ...more });
  assert(!isInvalid(read));
  return read;
}

/** The same file, opened again and again. */
class Book implements Disposable {
  readonly #directory = Deno.makeTempDirSync();
  journal = this.#open();

  #open(): Journal {
    return new Journal(new JournalFile(`${this.#directory}/journal.db`), "node-1").open();
  }

  reopen(): void {
    this.journal.close();
    this.journal = this.#open();
  }

  /** So many queued jobs, from id 1 on. */
  submit(count: number, more: object = {}): void {
    this.journal.transact(() => {
      for (let i = 0; i < count; i++) {
        this.journal.insertJob({ spec: spec(more), uid: 0, atMs: 1000 });
      }
    });
  }

  states(): string[] {
    return this.journal.list({ limit: 100 }).jobs.map(({ state }) => state);
  }

  ids(...states: ("QUEUED" | "CANCELLED")[]): number[] {
    return this.journal.list({ limit: 100, states }).jobs.map(({ id }) => id);
  }

  [Symbol.dispose](): void {
    this.journal.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

Deno.test("a change is seen in every way of reading, and again when the journal is opened again", () => {
  using book = new Book();
  book.submit(5, { name: "n" });
  book.journal.transact(() => book.journal.beginLargeChange("cancel", [2, 3, 5], 2000));
  for (let look = 0; look < 2; look++) {
    const { journal } = book;
    assertEquals([book.ids("QUEUED"), book.ids("CANCELLED")], [[1, 4], [2, 3, 5]]);
    assertEquals([1, 2].map((id) => journal.stateOf(id)), ["QUEUED", "CANCELLED"]);
    const { state, reason, endedAtMs, released } = journal.job(3)!;
    assertEquals([state, reason, endedAtMs, released], ["CANCELLED", "cancelled", 2000, true]);
    assertEquals(journal.list({ limit: 9, name: "n", states: ["CANCELLED"] }).jobs.length, 3);
    assertEquals(journal.whyNot([1, 5]), "job 5, which it was to follow, did not complete");
    book.reopen();
  }
});

Deno.test("later changes count over earlier ones", () => {
  using book = new Book();
  book.submit(3);
  book.journal.transact(() => {
    book.journal.beginLargeChange("hold", [1, 2, 3], 2000);
    book.journal.beginLargeChange("release", [2], 2001);
    book.journal.beginLargeChange("cancel", [3], 2002);
  });
  assertEquals([1, 2, 3].map((id) => book.journal.job(id)!.held), [true, undefined, true]);
  assertEquals(book.states(), ["QUEUED", "QUEUED", "CANCELLED"]);
});

Deno.test("what has been written, in its order or before its turn, is not written again", () => {
  using book = new Book();
  book.submit(6);
  const { journal } = book;
  journal.transact(() => {
    const change = journal.beginLargeChange("hold", [1, 2, 3, 4, 6], 2000);
    journal.noteWritten(change, 2);
    journal.noteWrittenAlone(change, 4);
    assertEquals([...change.left], [3, 6]);
  });
  book.reopen();
  const [change] = book.journal.largeChanges;
  assertEquals([...change!.left], [3, 6]);
  book.journal.transact(() => book.journal.endLargeChange(change!));
  book.reopen();
  assertEquals(book.journal.largeChanges, []);
});

Deno.test("a change whose transaction fails is none", () => {
  using book = new Book();
  book.submit(1);
  try {
    book.journal.transact(() => {
      book.journal.beginLargeChange("cancel", [1], 2000);
      throw new Error("no");
    });
  } catch {
    book.journal.loadLargeChanges();
  }
  assertEquals([book.states(), book.journal.largeChanges.length], [["QUEUED"], 0]);
});

Deno.test("jobs of an array that are being written are seen by nobody, and their ids are taken", () => {
  using book = new Book();
  book.submit(1);
  const array = { id: 2, size: 3 };
  const submission = { spec: spec({ key: "k", array: "1-3" }), uid: 0, atMs: 1500 };
  const { journal } = book;
  const text = JSON.stringify(submission.spec);
  journal.transact(() => {
    assertEquals(journal.takeIds(3), 2);
    const change = journal.beginLargeChange("submit", [2, 3, 4], 1500);
    for (const id of [2, 3]) {
      journal.insertMember(submission, text, id, { ...array, index: id - 1 });
    }
    journal.noteWritten(change, 3);
  });
  for (let look = 0; look < 2; look++) {
    const { journal } = book;
    assertEquals([book.states(), journal.liveJobs().length], [["QUEUED"], 1]);
    assertEquals([journal.job(2), journal.stateOf(3), journal.jobByKey("k")], [
      undefined,
      undefined,
      undefined,
    ]);
    assertEquals(journal.isKeyTaken("k"), true);
    book.reopen();
  }
  const [change] = book.journal.largeChanges;
  book.journal.transact(() => book.journal.removeUnseen(change!));
  assertEquals(book.journal.isKeyTaken("k"), false);
  book.submit(1);
  assertEquals(book.journal.list({ limit: 9 }).jobs.map(({ id }) => id), [1, 5]);
});

Deno.test("a page ends sooner where its specs are large, and the next one goes on behind it", () => {
  using book = new Book();
  book.submit(7, { environment: { BIG: "x".repeat(300_000) } });
  const ids: number[][] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: ReturnType<Journal["list"]> = book.journal.list({ after, limit: 100 });
    ids.push(page.jobs.map(({ id }) => id));
    after = page.next;
  }
  assertEquals(ids, [[1, 2, 3, 4], [5, 6, 7]]);
  assertEquals(book.journal.list({ limit: 2 }).next, 2);
  assertEquals(book.journal.list({ limit: 7, after: 5 }).next, undefined);
});
