/** Who belongs to a job, among all that lives. */

import { assertEquals } from "../assert.ts";
import type { Living } from "../../src/ports.ts";
import { familyOf } from "../../src/recover/family.ts";
import { attempt, leader, shim } from "./started.ts";

const { token } = attempt;
const name = { token, shim, leader };

function living(pid: number, parent: number, facts: Partial<Living> = {}): Living {
  return { pid, startTicks: pid + 1000, parent, group: pid, session: pid, ...facts };
}

const theShim = living(shim.pid, 1, { ...shim, token });
const pidsOf = (all: Living[]) => familyOf(name, all)?.map(({ pid }) => pid);

Deno.test("what descends from a living shim is its job's, whatever it has done to be forgotten", () => {
  const child = living(20, shim.pid), grandchild = living(30, 20, { token: "another" });
  const stranger = living(40, 1), strangersChild = living(50, 40);
  assertEquals(pidsOf([stranger, grandchild, child, strangersChild, theShim]), [30, 20]);
});

Deno.test("a living shim without children has not said that nobody is left: it is looked at again", () => {
  assertEquals(pidsOf([theShim, living(40, 1)]), undefined);
});

Deno.test("without its shim a job has those that carry its token, and its leader's session and group", () => {
  const carrier = living(20, 1, { token }), member = living(30, 1, { session: leader.pid });
  const lost = living(40, 1), anothers = living(50, 1, { session: leader.pid, token: "another" });
  assertEquals(pidsOf([carrier, member, lost, anothers]), [20, 30]);
  assertEquals(pidsOf([lost, anothers]), []);
});

Deno.test("who has the pid of a shim that is gone is no shim, and its children are its own", () => {
  const reused = living(shim.pid, 1);
  assertEquals(pidsOf([reused, living(20, shim.pid)]), []);
});

Deno.test("nobody is told to be left while somebody is in the middle of an exec", () => {
  assertEquals(pidsOf([living(20, 1, { isBecoming: true })]), undefined);
});
