/** Holds what is on disk, in the journal and among the processes at the end against every promise. */

import type { DatabaseSync } from "node:sqlite";
import { until } from "../e2e/home.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { endOf, type Harm, truthsOf } from "./jobs.ts";
import { exists, type Scenario } from "./scenario.ts";

const TERMINAL = ["COMPLETED", "FAILED", "CANCELLED"];

/** To be called when the last supervisor has ended. Returns what was broken. */
export async function brokenPromises(scenario: Scenario, harm: Harm): Promise<string[]> {
  const { home } = scenario;
  const broken = [...brokenJobs(scenario, harm), ...brokenJournal(scenario)];
  const exits = [...Deno.readDirSync(`${home.state}/exits`)].map(({ name }) => name);
  if (exits.length > 0) broken.push(`exit records are left: ${exits}`);
  if (!scenario.isStrangerWell()) broken.push("a stranger was signalled");
  const mistakes = home.log.split("\n").filter((line) => / ERROR /.test(line));
  broken.push(...mistakes.map((line) => `the log has ${line}`));
  try {
    // Shims end after their records are seen.
    await until("no process is left", () => home.processes().length === 0);
  } catch {
    broken.push(...home.processes().map((pid) => `a process is left: ${describe(pid)}`));
  }
  return broken;
}

function brokenJobs({ home, jobs, ledger }: Scenario, harm: Harm): string[] {
  const broken: string[] = [];
  const ran = home.lines("ran"), ended = home.lines("ended");
  const lastTold = new Map(ledger.ends.map((job) => [job.id, job]));
  for (const job of jobs) {
    const times = ran.filter((key) => key === job.key).length;
    if (job.key === "old") {
      if (times !== 1) broken.push(`old ran ${times} times`);
      if (exists(`${home.state}/runs/${ledger.id("old")}`)) broken.push("old was not pruned");
      continue;
    }
    const told = lastTold.get(ledger.id(job.key))!;
    const end = endOf(told);
    const isTrue = truthsOf(job, harm).some((truth) =>
      truth.end === end && truth.runs.includes(times)
    );
    if (!isTrue) broken.push(`${job.key} ended ${end} and ran ${times} times`);
    const itself = job.script.includes("echo") ? ended.includes(job.key) : false;
    if (told.reason === "exit" && !itself) broken.push(`${job.key} never came to its ${end}`);
    if (!told.released) broken.push(`${job.key} was not released`);
  }
  for (const told of ledger.ends) {
    const last = lastTold.get(told.id);
    if (same(told, last)) continue;
    broken.push(`what was told has changed: ${JSON.stringify([told, last])}`);
  }
  return broken;
}

function brokenJournal({ home, ledger }: Scenario): string[] {
  return home.inJournal((database) => breachesIn(database, ledger));
}

function breachesIn(database: DatabaseSync, ledger: Scenario["ledger"]): string[] {
  const broken: string[] = [];
  const all = (sql: string) => database.prepare(sql).all() as Record<string, any>[];
  const [integrity] = all("PRAGMA integrity_check");
  if (integrity?.integrity_check !== "ok") broken.push(`the journal: ${JSON.stringify(integrity)}`);
  const unreleased = all("SELECT job_id FROM resource_allocations WHERE released = 0");
  broken.push(...unreleased.map(({ job_id }) => `the allocation of ${job_id} is not released`));
  const dangling = all("SELECT id FROM jobs WHERE ended_at IS NULL");
  broken.push(...dangling.map(({ id }) => `job ${id} has no end`));
  const events = all("SELECT sequence, job_id AS id, state, stopping, reason FROM events");
  const bySequence = new Map(events.map((event) => [event.sequence, event]));
  const old = ledger.ids.get("old");
  for (const told of ledger.events) {
    const kept = bySequence.get(told.sequence);
    if (told.id === old || (kept && sameEvent(kept, told))) continue;
    broken.push(`an event that was told is lost: ${JSON.stringify(told)}`);
  }
  for (const [id, history] of Map.groupBy(events, ({ id }) => id)) {
    const ends = history.filter(({ state }) => TERMINAL.includes(state));
    if (ends.length === 1 && ends[0] === history.at(-1)) continue;
    broken.push(`job ${id} has the states ${history.map(({ state }) => state)}`);
  }
  return broken;
}

function sameEvent(kept: Record<string, any>, told: Record<string, any>): boolean {
  return ["id", "state", "stopping", "reason"].every((name) =>
    (kept[name] ?? undefined) === told[name]
  );
}

function same(a: Job | undefined, b: Job | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What it is, whose, and what it waits for. */
export function describe(pid: number): string {
  try {
    const words = (file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`).split("\0");
    const job = words("environ").find((entry) => entry.startsWith("HOLDFAST_JOB_ID="));
    const tracer = /TracerPid:.*/.exec(words("status").join())?.[0];
    const command = words("cmdline").join(" ").slice(0, 100);
    return `${pid} (${command}) ${job} ${tracer} in ${words("syscall")} ${words("stat")}`;
  } catch {
    return `${pid}, which has ended since`;
  }
}
