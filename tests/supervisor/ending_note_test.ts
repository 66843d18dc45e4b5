import { assert, assertEquals } from "../assert.ts";
import { endingNote } from "../../src/supervisor/ending_note.ts";

const ending = { hasEnded: false, survivesKill: false, describe: (pid: number) => `${pid} (x, D)` };

Deno.test("a job whose command still runs is told as being stopped, and no more", () => {
  assertEquals(endingNote([1], ending), undefined);
});

Deno.test("what a command has left behind is told by pid", () => {
  assertEquals(
    endingNote([123, 124], { ...ending, hasEnded: true }),
    "its command has ended; 2 processes it left behind are being ended: 123 124",
  );
});

Deno.test("what cannot be killed is told by pid, name and state", () => {
  assertEquals(
    endingNote([123], { ...ending, survivesKill: true }),
    "1 process of it cannot be killed: 123 (x, D); it keeps its resources, and SIGKILL is tried " +
      "again until it ends",
  );
});

Deno.test("of very many some are told", () => {
  const note = endingNote(Array.from({ length: 5000 }, (_, i) => i), { ...ending, hasEnded: true });
  assert(note!.startsWith("its command has ended; 5000 processes") && note!.endsWith("and more"));
  assert(note!.length < 200);
});
