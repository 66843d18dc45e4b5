/** Which facts make a fault that somebody must look at. */

import { assertEquals } from "../assert.ts";
import { type HealthFacts, healthOf } from "../../src/supervisor/health.ts";
import { queued } from "./queued.ts";

const WELL: HealthFacts = {
  running: 2,
  queued: 3,
  draining: false,
  unkillable: [],
  hanging: [],
  orphans: 0,
  latency: { workMs: 20, commitMs: 300 },
};

const faults = (facts: Partial<HealthFacts>) => healthOf({ ...WELL, ...facts }).faults;

Deno.test("a busy, slow or draining supervisor is no fault", () => {
  assertEquals(faults({}), []);
  assertEquals(faults({ draining: true, running: 9000, queued: 100_000 }), []);
});

Deno.test("each fault is told, by the jobs that it is about", () => {
  const jobs = (...ids: number[]) => ids.map((id) => queued(id));
  assertEquals(faults({ degraded: "disk I/O error", cannotStart: "no processes" }), [
    "the journal cannot be written: disk I/O error",
    "no job can be started: no processes",
  ]);
  assertEquals(faults({ shortOfSpace: "less than 256 MiB are free" }).length, 1);
  assertEquals(faults({ unkillable: jobs(7) }), ["job 7 cannot be killed"]);
  const member = queued(9, { array: { id: 8 } }, { index: 3 });
  assertEquals(faults({ hanging: [...jobs(1, 2), member, ...jobs(12, 13)] }), [
    "jobs 1, 2, 8_3 and 2 more cannot come to the command",
  ]);
  assertEquals(faults({ orphans: 1, latency: { workMs: 1001, commitMs: 5001 } }).length, 3);
});

Deno.test("what it tells are counts and times, with the faults", () => {
  assertEquals(healthOf({ ...WELL, unkillable: [queued(1)] }), {
    faults: ["job 1 cannot be killed"],
    running: 2,
    queued: 3,
    draining: false,
    degraded: undefined,
    cannotStart: undefined,
    shortOfSpace: undefined,
    unkillable: 1,
    hanging: 0,
    orphans: 0,
    turnMs: 20,
    commitMs: 300,
  });
});
