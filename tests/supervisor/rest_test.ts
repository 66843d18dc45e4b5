/** When what a burst has taken is given back. */

import { assertEquals } from "../assert.ts";
import type { Clock } from "../../src/ports.ts";
import { Rest } from "../../src/supervisor/rest.ts";

/** A clock that is moved by hand. */
function handClock() {
  let nowMs = 0;
  let timers: { atMs: number; go: () => void }[] = [];
  const clock = {
    bootMs: () => nowMs,
    after: (delayMs: number, go: () => void) => {
      timers.push({ atMs: nowMs + delayMs, go });
      return () => {};
    },
  } as unknown as Clock;
  const pass = (ms: number) => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs++) {
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { go } of due) go();
    }
  };
  return { clock, pass, timers: () => timers.length };
}

function resting() {
  const hand = handClock();
  let times = 0;
  const rest = new Rest(hand.clock, () => times++);
  return { ...hand, rest, times: () => times };
}

Deno.test("after a burst it is given back once, and nothing wakes any more", () => {
  const { rest, pass, timers, times } = resting();
  for (let i = 0; i < 100; i++) rest.note(100);
  pass(10_000);
  assertEquals([times(), timers()], [1, 0]);
  rest.note(1);
  assertEquals(timers(), 0, "one event is no burst");
});

Deno.test("while something happens it waits", () => {
  const { rest, pass, timers, times } = resting();
  for (let i = 0; i < 1000; i++) {
    rest.note(10);
    pass(100);
  }
  assertEquals([times(), timers()], [0, 1]);
  pass(2000);
  assertEquals([times(), timers()], [1, 0]);
});

Deno.test("what little happens is no reason", () => {
  const { rest, pass, times, timers } = resting();
  for (let i = 0; i < 100; i++) {
    rest.note(4);
    pass(2000);
  }
  assertEquals([times(), timers()], [0, 0]);
});
