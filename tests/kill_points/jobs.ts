/**
 * The jobs of the scenario and the ends that are true of them. Each writes its key to `ran` when it
 * begins and to `ended` when it is about to exit by itself, so that what is told of it can be held
 * against what it did.
 */

import type { Job, Spec } from "../../src/varlink/interface.ts";
import type { Mode } from "./points.ts";
import type { ShimStage } from "./shim_stage.ts";

export interface ScenarioJob {
  readonly key: string;
  /** Run by `sh -c` after the beginning is noted. */
  readonly script: string;
  readonly spec?: Partial<Spec>;
  /** The key of the job that must have completed. */
  readonly after?: string;
  /** State, reason and exit code. */
  readonly ends: readonly string[];
  /** Times that it may have run; exactly once without it. */
  readonly runs?: readonly number[];
  /** Signalled as soon as it is RUNNING, which may be before it has executed its command. */
  readonly isStruck?: true;
  /** It starts in the life that is ended at a kill point. */
  readonly isTarget?: true;
}

const COMPLETED = "COMPLETED exit 0:0";
const INTERRUPTED = "FAILED interrupted -999:0";
const DEPENDENCY = "CANCELLED dependency none";
const stubborn = "trap '' TERM";
const endless = "exec sleep 1000";
const exit = (key: string, code: number) => `echo ${key} >> ended; exit ${code}`;
const until = (file: string) => `while [ ! -e ${file} ]; do sleep 0.02; done`;

/** What the traced supervisor finds: one job of each stage that a predecessor can have left. */
export const FOUND: readonly ScenarioJob[] = [
  { key: "old", script: exit("old", 0), ends: [COMPLETED] },
  {
    key: "family",
    script: `(${stubborn}; touch family-is-ready; exec setsid sleep 1000) & ${
      until("family-is-ready")
    }; ${until("leave")}; ${exit("family", 5)}`,
    spec: { grace: 1 },
    ends: ["FAILED exit 5:0"],
  },
  { key: "away", script: `${until("away")}; ${exit("away", 0)}`, ends: [COMPLETED] },
  { key: "adopted", script: `${until("go")}; ${exit("adopted", 7)}`, ends: ["FAILED exit 7:0"] },
  { key: "lost", script: endless, ends: [INTERRUPTED] },
  // Without its shim, nobody knows if it ends while no supervisor holds it.
  {
    key: "orphan",
    script: `${until("go")}; ${exit("orphan", 6)}`,
    ends: ["FAILED exit 6:0", INTERRUPTED],
  },
  {
    key: "stubborn",
    script: `${stubborn}; touch stubborn-is-ready; while :; do sleep 0.1; done`,
    spec: { grace: 1 },
    ends: ["CANCELLED cancelled 0:9"],
  },
  { key: "late", script: endless, spec: { timeout: 1 }, ends: ["FAILED timeout 0:15"] },
  {
    key: "waiting",
    script: exit("waiting", 0),
    after: "away",
    ends: [COMPLETED],
    isTarget: true,
  },
  { key: "fenced", script: exit("fenced", 0), after: "away", ends: [COMPLETED], isTarget: true },
];

/** What clients ask of it. */
export const ASKED: readonly ScenarioJob[] = [
  {
    key: "timed",
    script: endless,
    spec: { timeout: 1 },
    ends: ["FAILED timeout 0:15"],
    isTarget: true,
  },
  {
    key: "cancelled",
    script: endless,
    ends: ["CANCELLED cancelled 0:15"],
    isTarget: true,
    isStruck: true,
  },
  {
    key: "unborn",
    script: exit("unborn", 0),
    after: "cancelled",
    ends: ["CANCELLED cancelled none", DEPENDENCY],
    runs: [0],
  },
  { key: "zero", script: exit("zero", 0), ends: [COMPLETED], isTarget: true },
  { key: "seven", script: exit("seven", 7), ends: ["FAILED exit 7:0"], isTarget: true },
  { key: "blocked", script: exit("blocked", 0), after: "seven", ends: [DEPENDENCY], runs: [0] },
  {
    key: "leftover",
    script: `setsid sleep 1000 & ${exit("leftover", 0)}`,
    ends: [COMPLETED],
    isTarget: true,
  },
  {
    key: "signalled",
    script: endless,
    ends: ["FAILED signal 0:10"],
    isTarget: true,
    isStruck: true,
  },
];

export function endOf(job: Job): string {
  return `${job.state} ${job.reason ?? "none"} ${job.exitCode ?? "none"}`;
}

/** What was done to it. */
export interface Harm {
  readonly mode: Mode;
  /** How far the shims were that were killed. */
  readonly shims: readonly ShimStage[];
}

/** An end that may be told of a job, and how many times it may have run then. */
export interface Truth {
  readonly end: string;
  readonly runs: readonly number[];
}

export function truthsOf(job: ScenarioJob, { mode, shims }: Harm): Truth[] {
  // A signal may come between execve and the first word of its script.
  const runs = job.runs ?? (job.isStruck ? [0, 1] : [1]);
  const own = job.ends.map((end) => ({ end, runs }));
  if (mode === "machine") return [...own, ...lost(job, "reboot", [0, 1])];
  if (job.runs || !job.isTarget) return own;
  switch (mode) {
    case "supervisor":
    case "keeper":
      return own;
    case "leader":
      return [...own, ...notStarted(job)];
    case "shim":
    case "both":
      return [...own, ...shims.flatMap((stage) => afterShim(job, stage, runs))];
    case "family": {
      // Its command may have been killed before its first word.
      const killed = [{ end: "FAILED signal 0:9", runs: [0, 1] }, ...stopped(job, "0:9", [0, 1])];
      return [...own, ...notStarted(job), ...lost(job, "interrupted", [0, 1]), ...killed];
    }
  }
}

/** What a shim that was killed leaves, beside the job's own end. */
function afterShim(job: ScenarioJob, stage: ShimStage, runs: readonly number[]): Truth[] {
  switch (stage) {
    case "unclaimed": // queued again
    case "recorded":
      return [];
    case "claimed":
      return notStarted(job);
    case "led": // its leader got no word
      return lost(job, "interrupted", [0]);
    case "worded":
      return lost(job, "interrupted", runs);
  }
}

function notStarted(job: ScenarioJob): Truth[] {
  return [{ end: "FAILED startFailed none", runs: [0] }, ...stopped(job, "none", [0])];
}

function lost(job: ScenarioJob, reason: "reboot" | "interrupted", runs: readonly number[]) {
  return [{ end: `FAILED ${reason} -999:0`, runs }, ...stopped(job, "-999:0", runs)];
}

/** A stop that was asked for decides, whatever has become of the processes. */
function stopped(job: ScenarioJob, exitCode: string, runs: readonly number[]): Truth[] {
  const stop = /^\w+ (cancelled|timeout)/.exec(job.ends[0]!);
  return stop ? [{ end: `${stop[0]} ${exitCode}`, runs }] : [];
}
