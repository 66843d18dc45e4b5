import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { type Change, isEnded, isStarted, type Job, transition } from "../../src/job/job.ts";

const demand = { cpus: 1, memory: 0, priority: 0, after: [], timeoutMs: 0, graceMs: 1000 };
const ground = { bootId: "b", pidNamespace: "n" };
const queued: Job = { id: 1, demand, attempts: 0, submittedAtMs: 0, state: "QUEUED", held: false };
const shim = { pid: 10, startTicks: 5 }, leader = { pid: 11, startTicks: 6 };

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.nat(9).map((number) =>
    ({ kind: "starting", attempt: { number, token: "t", ground } }) as const
  ),
  fc.constant({ kind: "fenced" } as const),
  fc.boolean().map((adopted) =>
    ({ kind: "running", shim, leader, startedAtMs: 1, adopted }) as const
  ),
  fc.constantFrom("cancel", "timeout", "shutdown").map((kind) =>
    ({ kind: "stopping", stopping: { kind, sinceBootMs: 7 } }) as Change
  ),
  fc.constantFrom("COMPLETED", "FAILED", "CANCELLED").map((state) =>
    ({ kind: "ended", end: { state, reason: "exit", endedAtMs: 2 } }) as Change
  ),
);

/** The job after each change that its state allows. */
function history(list: Change[]): Job[] {
  const jobs: Job[] = [queued];
  for (const change of list) {
    try {
      jobs.push(transition(jobs.at(-1)!, change));
    } catch {
      // Not allowed in this state.
    }
  }
  return jobs;
}

Deno.test("an ended job allows no change", () => {
  fc.assert(fc.property(fc.array(changes), changes, (list, last) => {
    const job = history(list).at(-1)!;
    if (!isEnded(job)) return;
    let refused = false;
    try {
      transition(job, last);
    } catch {
      refused = true;
    }
    assert(refused);
  }));
});

Deno.test("states follow one another only as drawn", () => {
  const drawn = new Set([
    "QUEUED STARTING",
    "QUEUED COMPLETED",
    "QUEUED FAILED",
    "QUEUED CANCELLED",
    "STARTING QUEUED",
    "STARTING STARTING",
    "STARTING RUNNING",
    "STARTING COMPLETED",
    "STARTING FAILED",
    "STARTING CANCELLED",
    "RUNNING RUNNING",
    "RUNNING COMPLETED",
    "RUNNING FAILED",
    "RUNNING CANCELLED",
  ]);
  fc.assert(fc.property(fc.array(changes, { maxLength: 30 }), (list) => {
    const jobs = history(list);
    for (let i = 1; i < jobs.length; i++) {
      assert(
        drawn.has(`${jobs[i - 1]!.state} ${jobs[i]!.state}`),
        `${jobs[i - 1]!.state} ${jobs[i]!.state}`,
      );
    }
  }));
});

Deno.test("a stop under way is never forgotten or replaced before the end", () => {
  fc.assert(fc.property(fc.array(changes, { maxLength: 30 }), (list) => {
    const jobs = history(list);
    for (let i = 1; i < jobs.length; i++) {
      const [before, after] = [jobs[i - 1]!, jobs[i]!];
      if (isStarted(before) && before.stopping && !isEnded(after)) {
        assert(isStarted(after));
        assertEquals(after.stopping, before.stopping);
      }
    }
  }));
});

Deno.test("attempts are counted over fences, so that no number is used twice", () => {
  let job = transition(queued, { kind: "starting", attempt: { number: 1, token: "a", ground } });
  job = transition(job, { kind: "fenced" });
  assertEquals([job.state, job.attempts], ["QUEUED", 1]);
});
