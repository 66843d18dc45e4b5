import fc from "fast-check";
import assert from "node:assert/strict";
import { atOnceOf, MAX_ARRAY_SIZE, parseArray } from "../../src/job/job_array.ts";

const range = fc.record({
  from: fc.nat(500),
  more: fc.option(fc.record({ length: fc.nat(50), step: fc.integer({ min: 1, max: 9 }) })),
});

Deno.test("an array has every index that one of its ranges has, once and ascending", () => {
  const limit = fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 9 }), limit, (ranges, atOnce) => {
      const parts = ranges.map(({ from, more }) =>
        more ? `${from}-${from + more.length}:${more.step}` : `${from}`
      );
      const text = parts.join(",") + (atOnce === undefined ? "" : `%${atOnce}`);
      const expected = ranges.flatMap(({ from, more }) =>
        Array.from({ length: (more?.length ?? 0) + 1 }, (_, i) => i)
          .filter((i) => i % (more?.step ?? 1) === 0).map((i) => from + i)
      );
      const indexes = [...new Set(expected)].sort((a, b) => a - b);
      assert.deepEqual(parseArray(text), { indexes, atOnce });
      assert.equal(atOnceOf(text), atOnce);
    }),
  );
});

Deno.test("what is no array is told as a fault, and never takes long", () => {
  const faults: [string, RegExp][] = [
    ["", /written as/],
    ["5-1", /from the lower to the higher/],
    ["1-5:0", /a step above 0/],
    ["1,,2", /written as/],
    ["-1", /written as/],
    ["1-5%", /after the %/],
    ["1-5%0", /after the %/],
    ["1-5%2%3", /after the %/],
    [`1-${MAX_ARRAY_SIZE + 1}`, /at most 10000/],
    [`1-${MAX_ARRAY_SIZE},5`, /at most 10000/],
    [`1-${MAX_ARRAY_SIZE},`.repeat(50_000), /at most 10000/],
    ["0-1000000000", /at most 10000/],
    ["1-99999999999", /numbers up to 1000000000, and 99999999999 is more/],
    ["1000000001", /up to 1000000000/],
    ["1-5:1000000001", /up to 1000000000/],
    ["1-5%1000000001", /up to 1000000000/],
    [`1-${"9".repeat(400)}`, /up to 1000000000/],
  ];
  for (const [text, fault] of faults) {
    const told = parseArray(text);
    assert.ok(typeof told === "string" && fault.test(told), text.slice(0, 40));
  }
});
