/** A started job for the tests of what becomes of one. */

import type { RunningJob, StartingJob } from "../../src/job/job.ts";

export const demand = {
  cpus: 1,
  memory: 0,
  priority: 0,
  after: [],
  timeoutMs: 5000,
  graceMs: 1000,
};
export const ground = { bootId: "b", pidNamespace: "n" };
export const attempt = { number: 1, token: "t", ground };
export const shim = { pid: 10, startTicks: 5 };
export const leader = { pid: 11, startTicks: 100 };

export const starting: StartingJob = {
  id: 1,
  demand,
  attempts: 1,
  submittedAtMs: 0,
  state: "STARTING",
  attempt,
};
export const running: RunningJob = {
  ...starting,
  state: "RUNNING",
  shim,
  leader,
  startedAtMs: 1,
  adopted: false,
};
