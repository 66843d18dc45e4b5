/**
 * Which ends a job may have had, by what it is and what was done to it. Pure: an account and the end
 * that was told go in, what is wrong comes out.
 */

import type { Job, State } from "../src/varlink/interface.ts";
import { outputOf, type Plan } from "./catalogue.ts";

/** What we did to a job, noted before it was done. */
export type Mark = "cancelled" | "shim killed" | "leader killed" | `signal ${number}`;

export interface Case {
  readonly plan: Plan;
  readonly marks: ReadonlySet<Mark>;
  /** How the jobs that it was to follow ended. */
  readonly before: readonly State[];
}

export function outcomeOf(job: Pick<Job, "state" | "reason" | "exitCode">): string {
  return `${job.state} ${job.reason} ${job.exitCode ?? "-"}`;
}

/** Why the end that was told cannot be true; undefined when it can. */
export function wrongEnd({ plan, marks, before }: Case, job: Job): string | undefined {
  const outcome = outcomeOf(job);
  if (!job.released) return `${outcome}, and its resources are not released`;
  if (job.stopping || !job.endedAt) {
    return `${outcome}, and still ${job.stopping ?? "without an end"}`;
  }
  const expected = permitted({ plan, marks, before });
  return expected.has(outcome) ? undefined : `${outcome} is none of: ${[...expected].join(", ")}`;
}

function permitted({ plan, marks, before }: Case): Set<string> {
  const outcomes = new Set<string>();
  const isBlocked = before.some((state) => state !== "COMPLETED");
  for (const outcome of isBlocked ? ["CANCELLED dependency -"] : plan.own) outcomes.add(outcome);
  const codes = new Set(["0:15", "0:9", "-"]);
  for (const outcome of plan.own) codes.add(outcome.split(" ")[2]!);
  for (const mark of marks) {
    const [, signal] = /^signal (\d+)$/.exec(mark) ?? [];
    // Before it has executed its command nothing has run.
    if (mark === "leader killed") outcomes.add("FAILED signal 0:9").add("FAILED startFailed -");
    if (signal) outcomes.add(`FAILED signal 0:${signal}`), codes.add(`0:${signal}`);
  }
  if (marks.has("shim killed")) {
    codes.add("-999:0");
    outcomes.add("FAILED interrupted -999:0");
    outcomes.add("FAILED startFailed -");
    if (plan.spec.timeout) outcomes.add("FAILED timeout -999:0");
  }
  if (marks.has("cancelled")) {
    for (const code of codes) outcomes.add(`CANCELLED cancelled ${code}`);
  }
  if (plan.spec.timeout) {
    for (const code of codes) {
      if (code !== "-" && code !== "-999:0") outcomes.add(`FAILED timeout ${code}`);
    }
  }
  return outcomes;
}

/** Why the number of its executions cannot be true. */
export function wrongRuns({ plan }: Case, job: Job, runs: number): string | undefined {
  if (runs > 1) return `it ran ${runs} times`;
  if (runs === 1 && job.exitCode === undefined) return "it ran, and its end says that it did not";
  if (runs === 0 && gotToItsEnd(plan, job)) return "it never ran, and its end says that it did";
}

/** Why its log cannot be whole. */
export function wrongLog({ plan }: Case, job: Job, stdout: string): string | undefined {
  const whole = outputOf(plan);
  if (!whole.startsWith(stdout)) return `its log is not what it wrote: ${stdout.slice(-60)}`;
  if (gotToItsEnd(plan, job) && stdout !== whole) {
    return `its log has ${stdout.length} of ${whole.length} bytes`;
  }
}

function gotToItsEnd(plan: Plan, job: Job): boolean {
  return job.reason === "exit" && plan.own.includes(outcomeOf(job));
}
