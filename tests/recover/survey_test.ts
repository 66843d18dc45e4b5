/** What is seen of a job while its files are being written. */

import { assertEquals } from "../assert.ts";
import type { Claim, Clock, Files, Processes } from "../../src/ports.ts";
import { Survey } from "../../src/recover/survey.ts";
import { attempt, ground, leader, shim, starting } from "./started.ts";

const SIGNED: Claim = { kind: "signed", shim, token: attempt.token };

for (const before of [undefined, { kind: "unsigned" }] as const) {
  const was = before ? "was not signed" : "was not there";
  Deno.test(`a leader whose claim ${was} when it was read has a shim all the same`, () => {
    const claims = [before, SIGNED];
    const survey = new Survey({
      clock: { wallMs: () => 1 } as Clock,
      processes: {
        ground,
        observe: (pid: number) => {
          const { startTicks } = pid === shim.pid ? shim : leader;
          return { kind: "present", startTicks, zombie: false };
        },
        living: () => [],
      } as unknown as Processes,
      files: {
        claim: () => claims.shift(),
        leader: () => leader,
        startedAtMs: () => 1,
        exitRecord: () => undefined,
      } as unknown as Files,
    });
    const seen = survey.look(starting);
    assertEquals([seen.claim, seen.shim, seen.leader], ["shim", "match", "match"]);
    assertEquals([seen.shimIdentity, seen.leaderIdentity], [shim, leader]);
  });
}
