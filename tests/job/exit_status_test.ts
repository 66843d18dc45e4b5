import fc from "fast-check";
import { assertEquals } from "../assert.ts";
import {
  formatExit,
  fromShell,
  fromWaitStatus,
  isSuccess,
  parseExit,
  UNKNOWN_EXIT,
} from "../../src/job/exit_status.ts";

Deno.test("what is written is read back, for every exit code and signal", () => {
  for (let code = 0; code <= 255; code++) {
    assertEquals(parseExit(formatExit(fromWaitStatus(code << 8))), { code, signal: 0 });
  }
  for (let signal = 1; signal <= 64; signal++) {
    assertEquals(parseExit(formatExit(fromWaitStatus(signal))), { code: 0, signal });
    assertEquals(fromWaitStatus(signal | 0x80), { code: 0, signal, coreDumped: true });
  }
  assertEquals(parseExit(formatExit(UNKNOWN_EXIT)), UNKNOWN_EXIT);
});

Deno.test("a shell's status is an exit code up to 128 and a signal up to 192", () => {
  assertEquals([0, 7, 128].map((status) => formatExit(fromShell(status))), ["0:0", "7:0", "128:0"]);
  assertEquals([129, 137, 192, 193].map((status) => formatExit(fromShell(status))), [
    "0:1",
    "0:9",
    "0:64",
    "193:0",
  ]);
});

Deno.test("what nobody can know is never a success", () => {
  fc.assert(fc.property(fc.oneof(fc.integer(), fc.double()), (status) => {
    const exit = fromShell(status);
    assertEquals(isSuccess(exit), status === 0);
  }));
  assertEquals(isSuccess(UNKNOWN_EXIT), false);
});
