/**
 * A directory for the time of one piece of work, in $TMPDIR or /tmp, for its user alone. It is removed
 * on every way out but SIGKILL: by return, by failure, and by the signals that people and systemd send.
 */

import { listenUnlessIgnored } from "../ignored_signals.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Turns of the event loop in which a signal is told that came while nothing could be told (measured). */
const TURNS = 2;

/** There is no place for it, and what the user can do. */
export class NoTemporary extends Error {
  constructor(base: string, what: string) {
    super(`${base} ${what}; name another directory in TMPDIR, as TMPDIR=/var/tmp`);
    this.name = "NoTemporary";
  }
}

/** `apart`: a directory in which it must not be. Throws NoTemporary, or what `work` throws. */
export async function inTemporary<T>(
  apart: string,
  work: (directory: string, base: string) => Promise<T>,
): Promise<T> {
  const base = Deno.env.get("TMPDIR") || "/tmp";
  let directory: string | undefined;
  const remove = () => directory && removeWhole(directory);
  const ignore = onSignals(remove);
  try {
    directory = make(base, apart);
    return await work(directory, base);
  } finally {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((next) => setTimeout(next, 0));
    ignore();
    remove();
  }
}

function make(base: string, apart: string): string {
  try {
    const real = Deno.realPathSync(base);
    if (`${real}/`.startsWith(`${Deno.realPathSync(apart)}/`)) {
      throw new NoTemporary(base, `is in ${apart}, which is not to be changed`);
    }
    return Deno.makeTempDirSync({ dir: real, prefix: "holdfast-" });
  } catch (error) {
    if (error instanceof NoTemporary) throw error;
    throw new NoTemporary(base, `cannot be used: ${(error as Error).message}`);
  }
}

/** What is being copied into it when a signal comes can make it not empty once more. */
function removeWhole(directory: string, again = 10): void {
  try {
    Deno.removeSync(directory, { recursive: true });
  } catch (error) {
    if (again === 0) throw error;
    removeWhole(directory, again - 1);
  }
}

/** Has `before` called once one of them comes, which ends us then. Returns what makes it as it was. */
function onSignals(before: () => void): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      before();
      ignore();
      Deno.kill(Deno.pid, signal);
    };
    listenUnlessIgnored(signal, listener);
    return { signal, listener };
  });
  const ignore = () => {
    for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
  };
  return ignore;
}
