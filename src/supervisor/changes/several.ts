/**
 * One change of several jobs: all of it happens in one turn, what cannot be done to one of them leaves
 * the others alone, and each is told.
 */

import type { LiveJob } from "../../job/job.ts";
import { type Refusal, refuse } from "../../job/refusal.ts";
import type { JobRecord } from "../../store/records.ts";
import { type Decide, UNFINISHED } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";

/** The jobs that a client names. */
export interface Named {
  readonly ids: readonly number[];
  /** Whether an id stands for the whole array that it belongs to. */
  readonly wholeArrays: boolean;
  /** Whether a list was given: then each is told, and what is refused of one refuses nothing else. */
  readonly isList: boolean;
}

/** What has become of one of several jobs; `error`: why nothing was done to it. */
export interface Outcome extends Partial<Pick<JobRecord, "state" | "stopping" | "held">> {
  readonly id: number;
  readonly error?: Refusal["error"];
}

export interface Changed {
  /** Of a list the first that is known. */
  readonly job: JobRecord;
  readonly outcomes?: readonly Outcome[];
}

/** What is done to each. */
export interface Deed {
  /** What stands against it; undefined when nothing does. `job`: while it has not ended. */
  readonly against: (job: LiveJob | undefined, known: Pick<JobRecord, "id" | "state">) =>
    | Refusal
    | undefined;
  /** Returns why it could not be done. */
  readonly toOne: (job: LiveJob) => Refusal | undefined;
  /** Where they are more than one turn can change. */
  readonly toMany: (jobs: readonly LiveJob[]) => void;
}

export function change(parts: ChangeParts, { ids, wholeArrays, isList }: Named, deed: Deed) {
  const { journal, supervisor } = parts;
  const names = [...new Set(ids)];
  let refusals: Map<number, Refusal> | undefined;
  const outcomes: Outcome[] = [];
  const decide: Decide<Changed> = (mayGoOn) => {
    const found = refusals ?? doAll(parts, names, wholeArrays, deed);
    supervisor.onCommit(() => refusals = found);
    const [only] = names as [number];
    const refusal = found.get(only);
    if (!isList && refusal) refuse(refusal);
    if (!isList) return { job: journal.job(only)! };
    while (outcomes.length < names.length) {
      const id = names[outcomes.length]!;
      outcomes.push(outcome(id, journal.job(id), found.get(id)?.error));
      if (!mayGoOn()) return UNFINISHED;
    }
    const first = outcomes.find(({ state }) => state !== undefined);
    if (!first) refuse(found.get(only)!);
    return { job: journal.job(first.id)!, outcomes };
  };
  return decide;
}

/** Returns what was refused, by the ids that were named. */
function doAll(
  parts: ChangeParts,
  names: readonly number[],
  wholeArrays: boolean,
  deed: Deed,
): Map<number, Refusal> {
  const { supervisor: { roster, largeChanges }, large } = parts;
  const refusals = new Map<number, Refusal>();
  const able = new Map<number, LiveJob>();
  for (const id of names) {
    const members = membersOf(parts, id, wholeArrays);
    const may = members?.filter((job) => !deed.against(job, job)) ?? [];
    for (const job of may) able.set(job.id, job);
    const refusal = members ? may.length === 0 && against(parts, id, deed) : noSuchJob(id);
    if (refusal) refusals.set(id, refusal);
  }
  if (able.size >= large) {
    deed.toMany([...able.values()]);
    return refusals;
  }
  for (const id of able.keys()) {
    largeChanges.settle(id);
    const job = roster.get(id);
    const refusal = job && deed.toOne(job);
    if (refusal) refusals.set(id, refusal);
  }
  return refusals;
}

/** Those that have not ended; undefined when no such job is known. */
function membersOf(
  { journal, supervisor: { roster } }: ChangeParts,
  id: number,
  wholeArrays: boolean,
): LiveJob[] | undefined {
  const array = wholeArrays ? journal.job(id)?.array : undefined;
  if (array) return roster.ofArray(array);
  const job = roster.get(id);
  if (job) return [job];
  return journal.stateOf(id) === undefined ? undefined : [];
}

function against({ journal, supervisor }: ChangeParts, id: number, deed: Deed) {
  return deed.against(supervisor.roster.get(id), { id, state: journal.stateOf(id)! });
}

function noSuchJob(id: number): Refusal {
  return { error: "NoSuchJob", id };
}

function outcome(id: number, job: JobRecord | undefined, error?: Refusal["error"]): Outcome {
  return { id, state: job?.state, stopping: job?.stopping, held: job?.held, error };
}
