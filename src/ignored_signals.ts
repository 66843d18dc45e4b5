/**
 * What was ignored when a program was started stays ignored, as Unix has it: a script's
 * `holdfast daemon &` does not end by Ctrl-C, nor does what nohup(1) has started with its terminal.
 */

import { signalNumber } from "./job/signals.ts";

/** Whether a process ignores it, by SigIgn of proc(5). Throws when the process cannot be seen. */
export function ignores(signal: Deno.Signal, pid: number | "self" = "self"): boolean {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return (mask >> BigInt(signalNumber(signal)! - 1) & 1n) === 1n;
}

/** To be called once a signal, since who listens no longer ignores it. */
export function listenUnlessIgnored(signal: Deno.Signal, listener: () => void): void {
  if (!ignores(signal)) Deno.addSignalListener(signal, listener);
}
