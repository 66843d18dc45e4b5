/** Many histories of a simulated node, each from a seed, and none breaks a promise. */

import { assertEquals } from "../assert.ts";
import { drawActions } from "./actions.ts";
import { play } from "./history.ts";
import { playSeeds } from "./main.ts";

const HISTORIES = 2000;

Deno.test(`no promise is broken in ${HISTORIES} histories, and every reason to end occurs`, () => {
  const { histories, ends, broken } = playSeeds(1, HISTORIES);
  assertEquals(broken, undefined);
  assertEquals(histories, HISTORIES);
  assertEquals([...ends.keys()].sort(), [
    "cancelled",
    "dependency",
    "exit",
    "interrupted",
    "reboot",
    "shutdown",
    "signal",
    "startFailed",
    "timeout",
  ]);
});

Deno.test("a seed plays one history exactly", () => {
  for (const seed of [3, 77, 1234]) {
    assertEquals(play(drawActions(seed), seed), play(drawActions(seed), seed));
  }
});
