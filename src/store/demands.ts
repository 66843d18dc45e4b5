/**
 * What jobs need, as their specs say it. Those that need the same are given the same object: a long
 * queue is mostly the jobs of a few arrays, or one command over and over.
 */

import type { Demand } from "../job/job.ts";
import { atOnceOf } from "../job/job_array.ts";
import type { FullSpec } from "../job/spec.ts";

/** The fields of a spec that tell it. */
export const DEMAND_FIELDS = [
  "cpus",
  "memory",
  "priority",
  "after",
  "timeout",
  "grace",
  "pool",
  "pin",
  "notBefore",
  "array",
] as const satisfies (keyof FullSpec)[];

type DemandSpec = Pick<FullSpec, typeof DEMAND_FIELDS[number]>;

/** So many are remembered, whatever has become of their jobs; then it is begun anew. */
const MOST_REMEMBERED = 1000;

export class Demands {
  readonly #known = new Map<string, Demand>();
  #last?: { readonly text: string; readonly array: number | undefined; readonly demand: Demand };

  /** `array`: the id of the one that the job belongs to. */
  of(spec: DemandSpec, array?: number): Demand {
    return this.read(JSON.stringify(DEMAND_FIELDS.map((name) => spec[name] ?? null)), array);
  }

  /** `text`: the JSON list of what stands in the fields, in their order, null for none. */
  read(text: string, array?: number): Demand {
    // As a rule it is that of the job before, all along a queue.
    if (this.#last?.text === text && this.#last.array === array) return this.#last.demand;
    const key = array === undefined ? text : `${array} ${text}`;
    let demand = this.#known.get(key);
    if (!demand) {
      if (this.#known.size === MOST_REMEMBERED) this.#known.clear();
      this.#known.set(key, demand = demandIn(text, array));
    }
    this.#last = { text, array, demand };
    return demand;
  }
}

function demandIn(text: string, array: number | undefined): Demand {
  const values: unknown[] = JSON.parse(text);
  const fields = DEMAND_FIELDS.map((name, i) => [name, values[i] ?? undefined]);
  const spec = Object.fromEntries(fields) as DemandSpec;
  return {
    pool: spec.pool,
    pin: spec.pin,
    notBeforeMs: spec.notBefore === undefined ? undefined : Date.parse(spec.notBefore),
    array: array === undefined ? undefined : { id: array, atOnce: atOnceOf(spec.array ?? "") },
    cpus: spec.cpus,
    memory: spec.memory,
    priority: spec.priority,
    after: spec.after,
    timeoutMs: spec.timeout * 1000,
    graceMs: spec.grace * 1000,
  };
}
