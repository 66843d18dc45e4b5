/**
 * What was ignored when a program was started stays ignored, as Unix has it: a script's
 * `holdfast daemon &` does not end by Ctrl-C, nor does what nohup(1) has started with its terminal.
 * The runtime takes SIGHUP, SIGINT and SIGTERM as soon as anybody listens to any signal, and does what
 * is the default: so who listens at all says for each what is to be done.
 */

import { signalNumber } from "./job/signals.ts";

let atStart: bigint | undefined;

/** Numbers of the signals that were ignored. To be called before anybody listens to a signal. */
export function ignoredAtStart(): number[] {
  const mask = atStart ??= ignoredBy("self");
  return Array.from({ length: 64 }, (_, bit) => bit + 1).filter((signal) => has(mask, signal));
}

/** To be called, the first time, before anybody listens to a signal. */
export function listenUnlessIgnored(signal: Deno.Signal, listener: () => void): void {
  const isIgnored = ignoredAtStart().includes(signalNumber(signal)!);
  Deno.addSignalListener(signal, isIgnored ? () => {} : listener);
}

/** Whether a process ignores it now. Throws when the process cannot be seen. */
export function ignores(signal: Deno.Signal, pid: number): boolean {
  return has(ignoredBy(pid), signalNumber(signal)!);
}

/** SigIgn of proc_pid_status(5). */
function ignoredBy(pid: number | "self"): bigint {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}

function has(mask: bigint, signal: number): boolean {
  return (mask >> BigInt(signal - 1) & 1n) === 1n;
}
