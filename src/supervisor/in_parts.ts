/**
 * Work of many items, spread over as many turns as it takes. What a turn has done that was not
 * committed is done again.
 */

import type { Aftermath } from "./aftermath.ts";
import { type Decide, UNFINISHED } from "./loop.ts";

/** `items`: listed when it begins. `result`: of all of it. */
export function inParts<T, R>(
  aftermath: Aftermath,
  items: () => readonly T[],
  each: (item: T) => void,
  result: () => R,
): Decide<R> {
  let all: readonly T[] | undefined;
  let done = 0;
  return (mayGoOn) => {
    all ??= items();
    let at = done;
    while (at < all.length) {
      each(all[at++]!);
      if (!mayGoOn()) break;
    }
    aftermath.then(() => done = at);
    return at === all.length ? result() : UNFINISHED;
  };
}
