/**
 * A change of more jobs than one turn can write: a single fact in the journal, which counts for every
 * reader from then on, and whose rows follow in batches. Pure.
 */

/**
 * cancel: what is queued ends, what was started is stopped; hold, release: of what is queued;
 * dependency: what is queued ends, since a job that it was to follow did not complete;
 * submit: the jobs of an array are being written, and nobody sees one before all are there;
 * announce: their first events are being written.
 */
export const LARGE_CHANGE_KINDS = [
  "cancel",
  "hold",
  "release",
  "dependency",
  "submit",
  "announce",
] as const;
export type LargeChangeKind = (typeof LARGE_CHANGE_KINDS)[number];

export interface LargeChange {
  /** Later ones are applied after earlier ones. */
  readonly sequence: number;
  readonly kind: LargeChangeKind;
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
  /** Of all its jobs. */
  readonly ranges: readonly Range[];
  /** Ids of the jobs whose rows have not been written yet, ascending. */
  readonly left: Set<number>;
}

/** Changes of fewer jobs are written at once, within one turn. */
export const LARGE = 100;

export type Range = readonly [first: number, last: number];

/** Ascending ids as the ranges that they make up. */
export function rangesOf(ids: Iterable<number>): Range[] {
  const ranges: [number, number][] = [];
  for (const id of ids) {
    const last = ranges.at(-1);
    if (last && last[1] === id - 1) last[1] = id;
    else ranges.push([id, id]);
  }
  return ranges;
}

export function isIn(ranges: readonly Range[], id: number): boolean {
  return ranges.some(([first, last]) => first <= id && id <= last);
}

/** The ids that ranges are made of. */
export function* idsIn(ranges: readonly Range[]): Generator<number> {
  for (const [first, last] of ranges) for (let id = first; id <= last; id++) yield id;
}
