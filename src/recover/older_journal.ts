/**
 * At a start: what a journal that is older than runs/, exits/ or the processes that run does not
 * know. Its jobs are taken to what has happened to them since; what belongs to no job of it is told,
 * and left alone.
 */

import { wallMs } from "../host/clock.ts";
import type { RunFiles } from "../host/run_files.ts";
import type { Ground } from "../job/identity.ts";
import { type Job, type LiveJob, transition } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Journal } from "../store/journal.ts";
import { jobProcesses } from "./carriers.ts";
import { caughtUp, isNamedShim, type Remains } from "./plan_remains.ts";
import { gatherRemains } from "./remains.ts";

/** Lines of the log for unknown jobs; the rest is counted. */
const MOST_TOLD = 20;

/** What tells of jobs beside the journal; undefined where nothing does. */
export function tracesOf(files: RunFiles): string | undefined {
  const { size } = new Set([...files.runIds(), ...files.exitIds()]);
  return size === 0 ? undefined : `${size} jobs in runs/ and exits/`;
}

/** To be called before any job is read into memory. Throws JournalUnavailable. */
export function catchUp(
  { journal, state, files, ground, log }: {
    readonly journal: Journal;
    readonly state: string;
    readonly files: RunFiles;
    readonly ground: Ground;
    readonly log: Log;
  },
): void {
  const live = new Map(journal.liveJobs().map((job) => [job.id, job]));
  const ended = new Set(journal.endedIds());
  const processes = jobProcesses(state, knownPids([...live.values()]));
  const mayBeLater = (id: number) => !ended.has(id) && live.get(id)?.state !== "RUNNING";
  const remains = gatherRemains(state, files, processes, mayBeLater);
  const last = Math.max(0, ...files.runIds(), ...files.exitIds(), ...remains.keys());
  journal.transact(() => {
    journal.reserveIds(last);
    for (const found of remains.values()) {
      const job = live.get(found.id);
      if (job) follow(journal, job, found, ground, log);
    }
  });
  tell([...remains.values()].filter(({ id }) => !live.has(id)), log);
}

function follow(journal: Journal, before: LiveJob, found: Remains, ground: Ground, log: Log): void {
  let job: Job = before;
  for (const change of caughtUp(before, found, ground, wallMs())) {
    job = transition(job, change);
    journal.record(job, change, wallMs());
  }
  if (job === before) return;
  const pids = found.processes.map(({ pid }) => pid).join(" ");
  const facts = { job: job.id, journal: before.state, now: job.state, pids: pids || undefined };
  log.warn("the journal is older than its run", facts);
}

function tell(unknown: readonly Remains[], log: Log): void {
  const doing = "left as it is";
  for (const { id, hasDirectory, claimed, processes } of unknown.slice(0, MOST_TOLD)) {
    if (hasDirectory) {
      log.warn("run directory of an unknown job", {
        job: id,
        claimed: claimed !== undefined,
        doing,
      });
    }
    const pids = processes.filter((process) => !isNamedShim(process)).map(({ pid }) => pid).join(
      " ",
    );
    if (pids) log.warn("processes of an unknown job", { job: id, pids, doing: "never signalled" });
  }
  const runs = unknown.filter(({ hasDirectory, processes }) =>
    hasDirectory || processes.length > 0
  );
  if (runs.length === 0) return;
  log.alert("the journal is older than what has run", {
    jobs: runs.length,
    next: "holdfast rebuild --force gives them rows, on a stopped supervisor",
  });
}

function knownPids(jobs: readonly LiveJob[]): Set<number> {
  const pids = jobs.flatMap((job) =>
    job.state === "RUNNING" ? [job.leader.pid, job.shim?.pid] : []
  );
  return new Set(pids.filter((pid) => pid !== undefined));
}
