/**
 * What a supervisor ends by: a signal, the end of all its work, or a successor that takes its place
 * and is tried before anything is given up for it.
 */

import { listenUnlessIgnored } from "./ignored_signals.ts";
import type { Log } from "./job/log.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

export type Ending = "handOver" | "replace";

export interface EndingOptions {
  readonly isBurst: boolean;
  /** Whether jobs are ended too. */
  readonly terminates: boolean;
  readonly log: Log;
  /** What stands against the successor, if anything. */
  readonly trySuccessor: () => Promise<string | undefined>;
  readonly notReplaced: (why: string) => void;
}

/** Waits for a signal, or for all work to be done. SIGHUP asks to be replaced by what is installed now. */
export function untilEnd(supervisor: Supervisor, options: EndingOptions): Promise<Ending> {
  const { isBurst, terminates, log, trySuccessor, notReplaced } = options;
  return new Promise((resolve) => {
    const end = (signal: string) => {
      log.info("stopping", { signal, jobs: terminates ? "terminated" : "kept" });
      if (terminates) supervisor.terminate();
      else resolve("handOver");
    };
    listenUnlessIgnored("SIGTERM", () => end("SIGTERM"));
    listenUnlessIgnored("SIGINT", () => end("SIGINT"));
    let isTrying = false;
    listenUnlessIgnored("SIGHUP", async () => {
      if (isTrying) return;
      isTrying = true;
      const why = await trySuccessor().catch(String);
      isTrying = false;
      if (why !== undefined) notReplaced(why);
      // A successor would not know that the jobs are to end.
      else if (supervisor.isClosing) notReplaced("it ends its jobs, and then itself");
      else resolve("replace");
    });
    supervisor.onTurn = () => {
      const { running, queued } = supervisor.status;
      const isDone = supervisor.isClosing || (isBurst && queued === 0);
      if (isDone && running === 0) resolve("handOver");
    };
    supervisor.onTurn();
  });
}
