/**
 * Job arrays: one submission of many jobs that differ in HOLDFAST_ARRAY_INDEX alone. Written as
 * "1-100", "0-9:2", "1,3,7-9", each with an optional "%10": how many of them run at once.
 */

export interface JobArray {
  /** Ascending, each once. */
  readonly indexes: readonly number[];
  /** How many may run at once; undefined for no limit. */
  readonly atOnce?: number;
}

/** What a job of an array knows of it. */
export interface ArrayMember {
  /** The id of the array: that of its first job. */
  readonly id: number;
  readonly index: number;
  /** Jobs in the array. */
  readonly size: number;
}

/** A job as a person writes it: one of an array by its index. */
export function nameOf(id: number, array?: Pick<ArrayMember, "id" | "index">): string {
  return array ? `${array.id}_${array.index}` : String(id);
}

/** What each job of an array has in its environment. */
export function variablesOf({ id, index }: ArrayMember): Record<string, string> {
  return { HOLDFAST_ARRAY_ID: String(id), HOLDFAST_ARRAY_INDEX: String(index) };
}

export const MAX_ARRAY_SIZE = 10_000;
export const MAX_INDEX = 1_000_000_000;

/** Returns what is wrong with the text, where something is. */
export function parseArray(text: string): JobArray | string {
  const [ranges, limit, ...rest] = text.split("%");
  const tooBig = /\d+/g[Symbol.match](text)?.find((digits) => Number(digits) > MAX_INDEX);
  if (tooBig !== undefined) return `must have numbers up to ${MAX_INDEX}, and ${tooBig} is more`;
  const atOnce = atOnceOf(text);
  if (rest.length > 0 || (limit !== undefined && !atOnce)) {
    return "must have a whole number above 0 after the %";
  }
  const indexes = new Set<number>();
  // Counted before they are made, what is there twice too: a short text may name very many.
  let count = 0;
  for (const range of ranges!.split(",")) {
    const [, first, last = first, step = "1"] = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(range) ?? [];
    const [from, to, by] = [first ?? "", last ?? "", step].map(wholeNumber);
    if (from === undefined || to === undefined || by === undefined) {
      return "must be written as 1-100, 0-9:2 or 1,3,7-9, with %10 for ten at once";
    }
    if (from > to) {
      return `must have ranges from the lower to the higher index, and ${range} is not one`;
    }
    if (by === 0) return `must have a step above 0, which ${range} has not`;
    count += Math.floor((to - from) / by) + 1;
    if (count > MAX_ARRAY_SIZE) return TOO_MANY;
    for (let index = from; index <= to; index += by) indexes.add(index);
  }
  return { indexes: [...indexes].sort((a, b) => a - b), atOnce };
}

/** How many of it run at once, without its indexes: every job of an array is asked for it. */
export function atOnceOf(text: string): number | undefined {
  const [, limit] = text.split("%");
  return limit === undefined ? undefined : wholeNumber(limit);
}

const TOO_MANY = `must have at most ${MAX_ARRAY_SIZE} jobs`;

function wholeNumber(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  return number <= MAX_INDEX ? number : undefined;
}
