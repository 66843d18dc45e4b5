import fc from "fast-check";
import { assertEquals } from "../assert.ts";
import type { Usage } from "../../src/job/job.ts";
import { largerUsage } from "../../src/recover/usage.ts";

const FIELDS = ["userTimeMs", "systemTimeMs", "maxMemory", "readBytes", "writtenBytes"] as const;
const maybe = fc.option(fc.nat(), { nil: undefined });
const usage: fc.Arbitrary<Usage> = fc.record({
  userTimeMs: fc.nat(),
  systemTimeMs: fc.nat(),
  maxMemory: maybe,
  readBytes: maybe,
  writtenBytes: maybe,
}, { noNullPrototype: true });

Deno.test("of two accounts of a job the larger counts, and what neither tells stays unknown", () => {
  fc.assert(fc.property(usage, usage, (a, b) => {
    const both = largerUsage(a, b);
    for (const field of FIELDS) {
      const told = [a[field], b[field]].filter((value) => value !== undefined);
      assertEquals(both[field], told.length > 0 ? Math.max(...told) : undefined);
    }
  }));
});

Deno.test("an account does not change by what is counted twice", () => {
  fc.assert(fc.property(usage, (a) => assertEquals(largerUsage(a, a), a)));
});
