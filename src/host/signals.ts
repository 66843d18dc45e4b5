/** How the supervisor takes the signals of the kernel. Jobs start with none of it (spawn.ts). */

import { ignoredAtStart } from "../ignored_signals.ts";
import { libc } from "./libc.ts";

const SIGCHLD = 17, SIGTTOU = 22, SIGXFSZ = 25;
const SIG_DFL = 0n, SIG_IGN = 1n;

/**
 * What is written to a terminal shall not stop us (`stty tostop`), nor what is written beyond a limit
 * of file sizes end us. Children are ours to reap, whatever whoever has started us thought of his.
 * Before anybody listens to a signal.
 */
export function prepareSignals(): void {
  ignoredAtStart();
  for (const signal of [SIGTTOU, SIGXFSZ]) libc.signal(signal, SIG_IGN);
  libc.signal(SIGCHLD, SIG_DFL);
}

/** Takes from the runtime what it has taken: so a successor finds it ignored too. */
export function ignoreAsAtStart(): void {
  for (const signal of ignoredAtStart()) if (signal !== SIGCHLD) libc.signal(signal, SIG_IGN);
}
