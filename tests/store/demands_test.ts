/** What jobs need: shared where it is the same, and read back from the journal as it was asked for. */

import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { DEMAND_FIELDS, Demands } from "../../src/store/demands.ts";

const asked = fc.record({
  cpus: fc.integer({ min: 1, max: 2 }),
  priority: fc.integer({ min: -1, max: 1 }),
  after: fc.subarray([1, 2]),
  pool: fc.constantFrom(undefined, "p"),
  array: fc.constantFrom(undefined, "1-3", "1-3%2"),
  environment: fc.record({ HOME: fc.constantFrom("/a", "/b") }),
}).map((fields) => {
  const spec = readSpec({ command: ["true"], ...fields });
  assert(!isInvalid(spec));
  return spec;
});
const arrays = fc.constantFrom(undefined, 4, 5);

Deno.test("jobs share a demand when they need the same in the same array, and only then", () => {
  fc.assert(fc.property(asked, arrays, asked, arrays, (a, arrayOfA, b, arrayOfB) => {
    const demands = new Demands();
    const need = (spec: typeof a) => JSON.stringify(DEMAND_FIELDS.map((name) => spec[name]));
    const isSame = need(a) === need(b) && arrayOfA === arrayOfB;
    assertEquals(demands.of(a, arrayOfA) === demands.of(b, arrayOfB), isSame);
  }));
});

Deno.test("a demand says what was asked for", () => {
  fc.assert(fc.property(asked, arrays, (spec, array) => {
    const { cpus, memory, priority, after, pool, pin, timeout, grace } = spec;
    const atOnce = spec.array?.includes("%") ? 2 : undefined;
    assertEquals({ ...new Demands().of(spec, array) }, {
      ...{ cpus, memory, priority, after, pool, pin, notBeforeMs: undefined },
      timeoutMs: timeout * 1000,
      graceMs: grace * 1000,
      array: array === undefined ? undefined : { id: array, atOnce },
    });
  }));
});

Deno.test("demands that nobody else has are not kept for ever", () => {
  const demands = new Demands();
  const ofPriority = (priority: number) => {
    const spec = readSpec({ command: ["true"], priority });
    assert(!isInvalid(spec));
    return demands.of(spec);
  };
  const first = ofPriority(0);
  assert(ofPriority(0) === first);
  for (let priority = 1; priority <= 1000; priority++) ofPriority(priority);
  assert(ofPriority(0) !== first);
});
