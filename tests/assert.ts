/** The assertions of node:assert/strict, under the names that the tests use. */

import assertStrict from "node:assert/strict";

export const assertEquals: <T>(actual: T, expected: T, message?: string) => void =
  assertStrict.deepEqual;
export const assertMatch: (text: string, pattern: RegExp, message?: string) => void =
  assertStrict.match;

export function assert(condition: unknown, message?: string): asserts condition {
  assertStrict.ok(condition, message);
}
