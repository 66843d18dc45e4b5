/** How connections share the event loop, with work that takes time and nothing else real. */

import { assert, assertEquals } from "../assert.ts";
import { Turns } from "../../src/varlink/turns.ts";

/** Somebody with so many steps to do, of a millisecond each. */
function worker(turns: Turns, steps: number, onStep: () => void) {
  const again = () => {
    while (steps > 0) {
      if (!turns.mayRun(again)) return;
      for (const until = performance.now() + 1; performance.now() < until;);
      steps--;
      onStep();
    }
  };
  return again;
}

Deno.test("however many have work, a timer is let in after a round", async () => {
  const turns = new Turns(() => {});
  let steps = 0;
  const workers = Array.from({ length: 100 }, () => worker(turns, 5, () => steps++));
  const timer = new Promise<number>((resolve) => setTimeout(() => resolve(steps), 0));
  for (const begin of workers) begin();
  assert(await timer < 60, "steps before the timer");
  while (steps < 500) await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("each has its share before anyone has another", async () => {
  const turns = new Turns(() => {});
  const order: number[] = [];
  const workers = Array.from({ length: 10 }, (_, i) => worker(turns, 30, () => order.push(i)));
  for (const begin of workers) begin();
  while (order.length < 300) await new Promise((resolve) => setTimeout(resolve));
  const runs = order.filter((who, i) => who !== order[i - 1]);
  for (let i = 10; i < 100; i++) assert(new Set(runs.slice(i - 10, i)).size >= 9, runs.join(" "));
});

Deno.test("one whose turn fails harms no other", async () => {
  const errors: unknown[] = [];
  const turns = new Turns((error) => errors.push(error));
  let steps = 0;
  worker(turns, 30, () => steps++)();
  const failing = () => {
    throw "a mistake";
  };
  assert(!turns.mayRun(failing), "another waits already");
  while (steps < 30) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(errors, ["a mistake"]);
});
