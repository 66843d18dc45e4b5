import fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import {
  type Change,
  isStarted,
  type Job,
  type LiveJob,
  type QueuedJob,
  transition,
} from "../../src/job/job.ts";
import { type FullSpec, isInvalid, readSpec } from "../../src/job/spec.ts";
import { JournalFile } from "../../src/store/database.ts";
import { Demands } from "../../src/store/demands.ts";
import { Journal, JournalUnavailable } from "../../src/store/journal.ts";

function withJournal(body: (journal: Journal, path: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/journal.db`;
    const journal = new Journal(new JournalFile(path), "node-1").open();
    body(journal, path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function spec(more: object = {}) {
  const read = readSpec({ command: ["true"], ...more });
  assert(!isInvalid(read));
  return read;
}

const ground = { bootId: "b", pidNamespace: "n" };
const starting: Change = { kind: "starting", attempt: { number: 1, token: "t", ground } };
const running: Change = {
  kind: "running",
  shim: { pid: 10, startTicks: 5 },
  leader: { pid: 11, startTicks: 6 },
  startedAtMs: 2000,
  adopted: false,
};
const stopping: Change = { kind: "stopping", stopping: { kind: "cancel", sinceBootMs: 77 } };
const ended: Change = {
  kind: "ended",
  end: {
    state: "FAILED",
    reason: "exit",
    exit: { code: 7, signal: 0 },
    usage: { userTimeMs: 10, systemTimeMs: 20 },
    endedAtMs: 3000,
  },
};

/** Journals the changes one after the other. Returns the last job. */
function follow(journal: Journal, id: number, ...changes: Change[]): Job {
  let job: Job = journal.liveJobs().find((live) => live.id === id)!;
  journal.transact(() => {
    for (const change of changes) {
      job = transition(job, change);
      journal.record(job, change, 2500);
    }
  });
  return job;
}

Deno.test("a live job is read back as it was left, at every stage", () => {
  withJournal((journal) => {
    const { id } = journal.transact(() =>
      journal.insertJob({ spec: spec({ cpus: 2, timeout: 9 }), uid: 0, atMs: 1000 })
    );
    for (const change of [starting, running, stopping]) {
      const left = follow(journal, id, change);
      const [read] = journal.liveJobs();
      assertEquals(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(left)));
    }
    follow(journal, id, ended);
    assertEquals(journal.liveJobs(), []);
    const record = journal.job(id)!;
    assertEquals([record.state, record.exitCode, record.released, record.stopping], [
      "FAILED",
      "7:0",
      true,
      undefined,
    ]);
    assertEquals(journal.history(id).map(({ state }) => state), [
      "QUEUED",
      "STARTING",
      "RUNNING",
      "RUNNING",
      "FAILED",
    ]);
  });
});

Deno.test("an allocation is released once, and its time stays", () => {
  withJournal((journal, path) => {
    const { id } = journal.transact(() =>
      journal.insertJob({ spec: spec({ cpus: 2 }), uid: 0, atMs: 1000 })
    );
    follow(journal, id, starting, running, ended);
    assertEquals(journal.endedUnreleased(), []);
    journal.close();
    const database = new DatabaseSync(path);
    const row = database.prepare("SELECT * FROM resource_allocations").get()!;
    database.close();
    assertEquals(
      [
        row.job_id,
        row.allocated_cpus,
        row.node_name,
        row.process_id,
        row.released,
        row.released_time,
      ],
      [id, 2, "node-1", 11, 1, 2500],
    );
  });
});

Deno.test("a fenced start gives its allocation back and counts as an attempt", () => {
  withJournal((journal) => {
    const { id } = journal.transact(() => journal.insertJob({ spec: spec(), uid: 0, atMs: 1000 }));
    follow(journal, id, starting, { kind: "fenced" });
    const [job] = journal.liveJobs();
    assertEquals([job!.state, job!.attempts, isStarted(job!)], ["QUEUED", 1, false]);
    const again: Change = { kind: "starting", attempt: { number: 2, token: "u", ground } };
    assertEquals(follow(journal, id, again).attempts, 2);
  });
});

Deno.test("nothing of a failed transaction has happened", () => {
  withJournal((journal) => {
    let refused: unknown;
    try {
      journal.transact(() => {
        journal.insertJob({ spec: spec({ key: "k" }), uid: 0, atMs: 1 });
        journal.insertJob({ spec: spec({ key: "k" }), uid: 0, atMs: 1 });
      });
    } catch (error) {
      refused = error;
    }
    assert(refused instanceof JournalUnavailable);
    assertEquals([journal.list({ limit: 9 }).jobs.length, journal.lastSequence()], [0, 0]);
  });
});

Deno.test("ids are never given twice, also after the last job was pruned or ids were reserved", () => {
  withJournal((journal) => {
    const first = journal.transact(() => journal.insertJob({ spec: spec(), uid: 0, atMs: 1 })).id;
    journal.transact(() => journal.removeJob(first));
    assertEquals(
      journal.transact(() => journal.insertJob({ spec: spec(), uid: 0, atMs: 1 })).id,
      first + 1,
    );
    journal.transact(() => journal.reserveIds(100, 5));
    journal.transact(() => journal.reserveIds(50, 5));
    assertEquals(
      journal.transact(() => journal.insertJob({ spec: spec(), uid: 0, atMs: 1 })).id,
      106,
    );
  });
});

Deno.test("a second connection is kept out", () => {
  withJournal((journal, path) => {
    journal.transact(() => journal.insertJob({ spec: spec(), uid: 0, atMs: 1 }));
    const other = new DatabaseSync(path);
    let message = "";
    try {
      other.prepare("SELECT * FROM jobs").all();
    } catch (error) {
      message = (error as Error).message;
    }
    other.close();
    assertEquals(message, "database is locked");
  });
});

Deno.test("a long queue is read back as it was journaled, whatever follows what in it", () => {
  const kinds = [{}, { cpus: 2 }, { environment: { A: "1" } }, { array: "1-1200%3" }, {
    notBefore: "2030-01-01T00:00:00Z",
    pool: "p",
    after: [1],
  }].map(spec);
  const runs = fc.array(
    fc.record({ kind: fc.nat(kinds.length - 1), size: fc.integer({ min: 1, max: 1200 }) }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(runs, (runs) => {
      withJournal((journal) => {
        const expected = journal.transact(() =>
          runs.flatMap(({ kind, size }) => insertRun(journal, kinds[kind]!, size))
        );
        const read = journal.liveJobs();
        assertEquals(read.map(plain), expected.map(plain));
        const some = expected.filter((_, at) => at % 7 === 0);
        assertEquals(journal.liveJobs(some.map(({ id }) => id)).map(plain), some.map(plain));
        const distinct = new Set(expected.map(({ demand }) => JSON.stringify(demand)));
        assertEquals(new Set(read.map(({ demand }) => demand)).size, distinct.size);
      });
    }),
    { numRuns: 10 },
  );
});

/** So many jobs of one spec. Returns what is queued by that. */
function insertRun(journal: Journal, asked: FullSpec, size: number): QueuedJob[] {
  const isArray = asked.array !== undefined;
  const first = isArray ? journal.takeIds(size) : 0;
  return Array.from({ length: size }, (_, at) => {
    const submission = { spec: asked, uid: 0, atMs: 1000 + at, aheadMs: at % 3 };
    const member = { id: first, index: at + 1, size };
    const id = isArray ? first + at : journal.insertJob(submission).id;
    if (isArray) journal.insertMember(submission, JSON.stringify(asked), id, member);
    return {
      id,
      demand: new Demands().of(asked, isArray ? first : undefined),
      index: isArray ? member.index : undefined,
      attempts: 0,
      submittedAtMs: submission.atMs,
      aheadMs: submission.aheadMs,
      state: "QUEUED",
      held: false,
    };
  });
}

const plain = (job: LiveJob) => JSON.parse(JSON.stringify(job));

Deno.test("where the spec of a queued job cannot be read, it is told which it is", () => {
  withJournal((journal, path) => {
    journal.transact(() => insertRun(journal, spec(), 3));
    journal.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE jobs SET spec = '{' WHERE id = 2");
    database.close();
    let told = "";
    try {
      journal.open().liveJobs();
    } catch (error) {
      told = (error as Error).message;
    }
    assertMatch(told, /^job 2: its spec in the journal cannot be read/);
  });
});
