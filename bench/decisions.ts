/** What it costs to decide which jobs start, with a long queue: the pure function alone, in this process. */

import type { QueuedJob } from "../src/job/job.ts";
import { Lanes } from "../src/supervisor/lanes.ts";
import { type Scene as Node, schedule } from "../src/supervisor/schedule.ts";
import { count, heading, line, median, times } from "./table.ts";

const QUEUED = 100_000, RUNNING = 1000, CPUS = 1000;
const ROUNDS = 200;

/** Queues of as many jobs that differ more and more in what they need. */
const KINDS = [1, 20, 1000, 100_000];

export function benchDecisions(): void {
  heading(`Deciding what starts: ${count(QUEUED)} queued, ${count(RUNNING)} running; µs, median`);
  let floor = 0;
  for (const kinds of KINDS) {
    const lanes = new Lanes(Array.from({ length: QUEUED }, (_, i) => queued(i, kinds)));
    const full = decisionUs(lanes, CPUS), some = decisionUs(lanes, CPUS - 4);
    floor ||= full;
    const label = `${count(kinds)} ${kinds === 1 ? "kind" : "kinds"} of need`;
    line(label, `${full.toFixed(1)} µs`, `node full, ${times(full, floor)} of one kind`);
    line("", `${some.toFixed(1)} µs`, "4 CPUs free, the first job needs 64");
  }
}

/** The first needs more than is free, so that all others are looked at for one that may pass. */
function queued(i: number, kinds: number): QueuedJob {
  const demand = {
    cpus: i === 0 ? 64 : 1 + i % 8,
    memory: i % kinds,
    priority: 0,
    after: [],
    timeoutMs: 7_200_000,
    graceMs: 0,
  };
  const id = i + 1;
  return { id, attempts: 0, submittedAtMs: i, held: false, state: "QUEUED", demand };
}

function decisionUs(lanes: Lanes, used: number): number {
  const holdings = Array.from({ length: RUNNING }, (_, i) => ({
    cpus: i < used ? 1 : 0,
    memory: 0,
    pinned: 0,
    endsAtMs: 1000 * i,
  }));
  const node: Node = {
    lanes,
    capacity: { cpus: CPUS, memory: 2 ** 40, pinned: 0 },
    used: { cpus: used, memory: 0, pinned: 0 },
    holdings,
    poolRoom: () => Infinity,
    runningOfArray: () => 0,
    sharedCpus: 0,
    nowMs: 0,
  };
  return median(Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    schedule(node, 16);
    return (performance.now() - began) * 1000;
  }));
}
