/**
 * At a start: what a journal that is older than runs/, exits/ or the processes that run does not
 * know. Its jobs are taken to what has happened to them since; what belongs to no job of it is told,
 * and left alone.
 */

import type { Ground } from "../job/identity.ts";
import { type Job, type LiveJob, transition } from "../job/job.ts";
import type { Log } from "../job/log.ts";
import type { Clock, JobProcess, RunRecords } from "../ports.ts";
import { isId } from "../store/columns.ts";
import type { Journal } from "../store/journal.ts";
import { caughtUp, highest, isNamedShim, type Remains, UNSEEN_IDS } from "./plan_remains.ts";
import { gatherRemains } from "./remains.ts";

/** Lines of the log for unknown jobs; the rest is counted. */
const MOST_TOLD = 20;

/** What tells of jobs beside the journal; undefined where nothing does. */
export function tracesOf(files: RunRecords): string | undefined {
  const { size } = new Set([...files.runIds(), ...files.exitIds()]);
  return size === 0 ? undefined : `${size} jobs in runs/ and exits/`;
}

export interface CatchUpParts {
  readonly journal: Journal;
  readonly files: RunRecords;
  readonly clock: Clock;
  readonly steady: { nowMs(): number };
  readonly ground: Ground;
  readonly log: Log;
  /** Every process of a job of this state directory, but those that are known. */
  readonly jobProcesses: (known: ReadonlySet<number>) => readonly JobProcess[];
}

/**
 * To be called before any job is read into memory. Returns how many runs belong to no job of the
 * journal. Throws JournalUnavailable.
 */
export function catchUp(parts: CatchUpParts): number {
  const { journal, files, log, jobProcesses } = parts;
  // A queue can be long, and almost none of it has left anything.
  const processes = lookFor(() => jobProcesses(knownPids(journal.liveJobs([]))), log);
  const ids = [...files.runIds(), ...files.exitIds(), ...processes.map(({ job }) => job)]
    .filter(isId);
  const live = new Map(journal.liveJobs(ids).map((job) => [job.id, job]));
  const ended = new Set(journal.endedIds());
  const mayBeLater = (id: number) => !ended.has(id) && live.get(id)?.state !== "RUNNING";
  const remains = gatherRemains(files, processes, mayBeLater);
  const last = highest([...ids, ...remains.keys()]);
  journal.transact(() => {
    journal.reserveIds(last, UNSEEN_IDS);
    for (const found of remains.values()) {
      const job = live.get(found.id);
      if (job) follow(parts, job, found);
    }
  });
  return tell([...remains.values()].filter(({ id }) => !live.has(id)), log);
}

/** Claims and exit records tell of almost every run; processes, of those whose claim is gone. */
function lookFor(look: () => readonly JobProcess[], log: Log): readonly JobProcess[] {
  try {
    return look();
  } catch (error) {
    log.warn("cannot look for processes of unknown jobs", { cause: String(error) });
    return [];
  }
}

function follow(parts: CatchUpParts, before: LiveJob, found: Remains) {
  const { journal, clock, steady, ground, log } = parts;
  let job: Job = before;
  for (const change of caughtUp(before, found, ground, clock.wallMs())) {
    job = transition(job, change);
    journal.record(job, change, clock.wallMs(), steady.nowMs());
  }
  if (job === before) return;
  const pids = found.processes.map(({ pid }) => pid).join(" ");
  const facts = { job: job.id, journal: before.state, now: job.state, pids: pids || undefined };
  log.warn("the journal is older than its run", facts);
}

function tell(unknown: readonly Remains[], log: Log): number {
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
  if (runs.length > 0) {
    log.alert("the journal is older than what has run", {
      jobs: runs.length,
      next: "holdfast rebuild --force gives them rows, on a stopped supervisor",
    });
  }
  return runs.length;
}

function knownPids(jobs: readonly LiveJob[]): Set<number> {
  const pids = jobs.flatMap((job) =>
    job.state === "RUNNING" ? [job.leader.pid, job.shim?.pid] : []
  );
  return new Set(pids.filter((pid) => pid !== undefined));
}
