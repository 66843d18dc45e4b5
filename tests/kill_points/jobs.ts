/**
 * The jobs of the scenario and the ends that are true of them. Each writes its key to `ran` when it
 * begins and to `ended` when it is about to exit by itself, so that what is told of it can be held
 * against what it did.
 */

import type { Job, Spec } from "../../src/varlink/interface.ts";
import type { KillPoint } from "./points.ts";

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
  /** Its shim is killed too where shims are. */
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
    }; ${exit("family", 5)}`,
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
  { key: "waiting", script: exit("waiting", 0), after: "away", ends: [COMPLETED] },
  { key: "fenced", script: exit("fenced", 0), after: "away", ends: [COMPLETED] },
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

/** The ends that are true of a job where more than the supervisor was killed. */
export function trueEnds(job: ScenarioJob, { mode, shim }: KillPoint): readonly string[] {
  const isHit = mode === "machine" || mode === "spawn" || (shim !== undefined && job.isTarget);
  if (!isHit || job.runs) return job.ends;
  const loss = mode === "machine" ? "reboot" : "interrupted";
  const ends = [...job.ends, `FAILED ${loss} -999:0`];
  if (mode !== "machine") ends.push("FAILED startFailed none", "FAILED signal 0:9");
  // A stop that was asked for decides, whatever has become of the processes.
  const stop = /^\w+ (cancelled|timeout)/.exec(job.ends[0]!);
  if (stop) ends.push(...["-999:0", "0:9", "none"].map((code) => `${stop[0]} ${code}`));
  return ends;
}

export function trueRuns(job: ScenarioJob, { mode, shim }: KillPoint): readonly number[] {
  if (job.runs) return job.runs;
  // A signal may come before the leader has executed the command, and its shim may die by then.
  const isHit = mode === "machine" || mode === "spawn" || (shim !== undefined && job.isTarget);
  return isHit || job.isStruck ? [0, 1] : [1];
}
