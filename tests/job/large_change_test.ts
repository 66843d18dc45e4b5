/** Ids as ranges, and back. */

import fc from "fast-check";
import { assertEquals } from "../assert.ts";
import { idsIn, isIn, rangesOf } from "../../src/job/large_change.ts";

const ascending = fc.uniqueArray(fc.nat(60)).map((ids) => ids.sort((a, b) => a - b));

Deno.test("ranges are made of the ids that they were made from, and as few as can be", () => {
  fc.assert(fc.property(ascending, (ids) => {
    const ranges = rangesOf(ids);
    assertEquals([...idsIn(ranges)], ids);
    for (let id = 0; id <= 60; id++) assertEquals(isIn(ranges, id), ids.includes(id));
    ranges.slice(1).forEach(([first], i) => assertEquals(first - ranges[i]![1] > 1, true));
  }));
});
