/** Submit: a new job, or the jobs of an array, whose rows are written in as many turns as it takes. */

import { type ArrayMember, parseArray } from "../../job/job_array.ts";
import type { LargeChange, Range } from "../../job/large_change.ts";
import { asBefore, beyondNode, onNode } from "../../job/node_limits.ts";
import { refuse } from "../../job/refusal.ts";
import {
  DEFAULT_TIMEOUT_S,
  differingField,
  type FullSpec,
  type InvalidField,
  readSpec,
} from "../../job/spec.ts";
import type { Submission } from "../../store/journal.ts";
import type { JobRecord } from "../../store/records.ts";
import { sizeText } from "../../units.ts";
import { type Decide, type MayGoOn, UNFINISHED } from "../loop.ts";
import type { Member } from "../roster.ts";
import type { ChangeParts } from "./parts.ts";

export interface Submitted {
  readonly job: JobRecord;
  readonly created: boolean;
}

const MAX_ARRAY_BYTES = 2 ** 28;

/** Checks what a client sent, and fills in what is the same for every job. */
export function readAsked({ limits }: ChangeParts, input: unknown): FullSpec | InvalidField {
  const { maxTimeout = DEFAULT_TIMEOUT_S } = limits;
  return readSpec(input, Math.min(DEFAULT_TIMEOUT_S, maxTimeout));
}

export function submit(parts: ChangeParts, asked: FullSpec, uid: number): Decide<Submitted> {
  const { supervisor, journal, clock, steady } = parts;
  let array: NewArray | undefined;
  return (mayGoOn) => {
    if (array) return array.goOn(mayGoOn);
    const { key } = asked;
    const first = key === undefined ? undefined : journal.jobByKey(key);
    const field = first && differingField(first.spec, asBefore(asked, first.spec));
    if (field) refuse({ error: "KeyConflict", id: first.id, field });
    if (first) return { job: first, created: false };
    // By an array that is being written, and may yet come to nothing.
    if (key !== undefined && journal.isKeyTaken(key)) return UNFINISHED;
    const atMs = clock.wallMs();
    const aheadMs = steady.aheadMs(atMs);
    const submission = { spec: onNode(asked, parts.limits), uid, atMs, aheadMs };
    const indexes = indexesOf(submission.spec);
    refuseUnfit(parts, submission.spec, indexes?.length);
    if (!indexes) return { job: journal.job(supervisor.roster.add(submission))!, created: true };
    array = new NewArray(parts, submission, indexes);
    return array.goOn(mayGoOn);
  };
}

/** The jobs of an array on their way into the journal. */
class NewArray {
  readonly #text: string;
  /** Once that is on disk: the change of which they are, and the id of the first. */
  #begun?: { readonly sequence: number; readonly id: number };

  constructor(
    private readonly parts: ChangeParts,
    private readonly submission: Submission,
    private readonly indexes: readonly number[],
  ) {
    this.#text = JSON.stringify(submission.spec);
  }

  /** What the journal has lost meanwhile is begun again: nobody has seen it. */
  goOn(mayGoOn: MayGoOn): Submitted | typeof UNFINISHED {
    const { journal, supervisor: { largeChanges } } = this.parts;
    const change = largeChanges.submission(this.#begun?.sequence) ?? this.#begin();
    const [[id]] = change.ranges as [Range];
    let last = 0;
    for (last of change.left) {
      const member = this.#memberOf(id, last);
      journal.insertMember(this.submission, this.#text, last, member);
      if (!mayGoOn()) break;
    }
    journal.noteWritten(change, last);
    return change.left.size > 0 ? UNFINISHED : this.#end(change, id);
  }

  #begin(): LargeChange {
    const { journal, supervisor } = this.parts;
    const { length } = this.indexes;
    const id = journal.takeIds(length);
    const ids = this.indexes.map((_, at) => id + at);
    const change = supervisor.largeChanges.beginSubmission(ids, this.submission.atMs);
    supervisor.onCommit(() => this.#begun = { sequence: change.sequence, id });
    return change;
  }

  #end(change: LargeChange, id: number): Submitted {
    const { journal, supervisor: { largeChanges, roster } } = this.parts;
    const demand = journal.demands.of(this.submission.spec, id);
    const members = this.indexes.map((index, at): Member => ({ id: id + at, demand, index }));
    largeChanges.endSubmission(change, members.map(({ id }) => id));
    roster.enter(members, this.submission);
    return { job: journal.job(id)!, created: true };
  }

  #memberOf(array: number, id: number): ArrayMember {
    return { id: array, index: this.indexes[id - array]!, size: this.indexes.length };
  }
}

function refuseUnfit(parts: ChangeParts, spec: FullSpec, arraySize: number | undefined): void {
  const { supervisor: { status }, maxQueued, limits } = parts;
  if (status.draining) refuse({ error: "Draining" });
  if (status.queued + (arraySize ?? 1) > maxQueued) {
    refuse({ error: "QueueFull", limit: maxQueued });
  }
  const invalid = beyondNode(spec, limits) ?? unfit(parts, spec, arraySize);
  if (invalid) refuse({ error: "InvalidJob", ...invalid });
}

function unfit(
  { capacity, user, journal, supervisor }: ChangeParts,
  spec: FullSpec,
  arraySize: number | undefined,
): InvalidField | undefined {
  if (spec.cpus > capacity.cpus) {
    return { field: "cpus", message: `is ${spec.cpus}, and this node gives out ${capacity.cpus}` };
  }
  if (spec.memory > capacity.memory) {
    const message = `is ${spec.memory} bytes, and this node gives out ${capacity.memory}`;
    return { field: "memory", message };
  }
  if (spec.user !== undefined && spec.user !== user) {
    return { field: "user", message: `must be ${user}, whom this supervisor runs as` };
  }
  if (spec.pool !== undefined && !supervisor.roster.pools.get(spec.pool)) {
    const message = `is ${spec.pool}, and this node has no such pool; holdfast set-pool makes one`;
    return { field: "pool", message };
  }
  const tooBig = arraySize !== undefined && tooBigArray(spec, arraySize);
  if (tooBig) return { field: "array", message: tooBig };
  const unknown = spec.after.find((id) => !journal.stateOf(id));
  if (unknown === undefined) return undefined;
  return { field: "after", message: `names job ${unknown}, which is not known` };
}

/** The indexes of the array that it asks for; undefined for a single job. */
function indexesOf({ array }: FullSpec): readonly number[] | undefined {
  const parsed = array === undefined ? array : parseArray(array);
  return typeof parsed === "string" ? undefined : parsed?.indexes;
}

/** Every job of an array has its spec in the journal: what is wrong with so many so big ones. */
function tooBigArray(spec: FullSpec, jobs: number): string | undefined {
  if (jobs === 1 || jobs * JSON.stringify(spec).length <= MAX_ARRAY_BYTES) return undefined;
  return `has ${jobs} jobs, which would need more than ${sizeText(MAX_ARRAY_BYTES)} of journal; ` +
    "send a smaller environment";
}
