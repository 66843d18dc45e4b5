/**
 * Plays many histories of a simulated node, each from a seed:
 *
 *   npm run sim -- --seeds 100000              from seed 1
 *   npm run sim -- --from 4711 --seeds 1       one again, with its trace if it breaks a promise
 *
 * Ends with 1 at the first that breaks a promise, after telling its seed and a shrunken history.
 */

import { parseArgs } from "node:util";
import { drawActions } from "./actions.ts";
import { play, shrink } from "./history.ts";

const TRACE_LINES = 200;

export interface Played {
  readonly histories: number;
  readonly starts: number;
  /** Jobs that ended, by reason. */
  readonly ends: ReadonlyMap<string, number>;
  /** What is wrong with the first history that breaks a promise, for people. */
  readonly broken?: string;
}

export function playSeeds(from: number, count: number): Played {
  let starts = 0;
  const ends = new Map<string, number>();
  for (let seed = from; seed < from + count; seed++) {
    const outcome = play(drawActions(seed), seed);
    starts += outcome.starts;
    for (const [reason, n] of outcome.ends) ends.set(reason, (ends.get(reason) ?? 0) + n);
    if (!outcome.violation) continue;
    return { histories: seed - from + 1, starts, ends, broken: describe(seed, outcome.violation) };
  }
  return { histories: count, starts, ends };
}

function describe(seed: number, violation: string): string {
  const actions = shrink(drawActions(seed), seed);
  const last = play(actions, seed);
  const lines = [
    `seed ${seed}: ${violation}`,
    `shrunk to ${actions.length} actions: ${last.violation}`,
    ...last.trace.filter((line) => !/ info healthy /.test(line)).slice(-TRACE_LINES),
    `play it again with: npm run sim -- --from ${seed} --seeds 1`,
  ];
  return lines.join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seeds: { type: "string", default: "10000" },
      from: { type: "string", default: "1" },
    },
  });
  const began = performance.now();
  const { histories, starts, ends, broken } = playSeeds(Number(values.from), Number(values.seeds));
  if (broken) console.log(broken);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const reasons = [...ends].map(([reason, count]) => `${count} ${reason}`).join(", ");
  console.log(`${histories} histories, ${starts} starts of a supervisor, ${seconds} s`);
  console.log(`ends: ${reasons}`);
  Deno.exit(broken ? 1 : 0);
}
