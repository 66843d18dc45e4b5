/**
 * What is done to jobs: shims and leaders are killed, jobs are cancelled and signalled. Each deed is
 * noted in the job's account before it is done.
 */

import { constants } from "node:os";
import type { Random } from "./random.ts";
import type { Counts } from "./figures.ts";
import { isRefusal, type SoakHome } from "./home.ts";
import type { Account, Ledger } from "./ledger.ts";

const SIGNALS = ["USR1", "TERM", "INT", "HUP", "KILL", "STOP", "CONT"] as const;

export class Harm {
  constructor(
    private readonly home: SoakHome,
    private readonly ledger: Ledger,
    private readonly random: Random,
    private readonly counts: Counts,
  ) {}

  /** Kills the shim, the leader or both of some jobs, as the kernel's memory killer may. */
  killSome(most: number): void {
    for (let left = this.random.between(1, most); left > 0; left--) {
      const account = this.#victim();
      if (!account) return;
      const what = this.random.weighted({ shim: 2, leader: 2, both: 1 });
      if (what !== "leader") this.#kill(account, "shim");
      if (what !== "shim") this.#kill(account, "leader");
    }
    if (this.random.oneIn(3)) this.#strikeKeeper();
  }

  /** Jobs that it has not started are started by the next one; no other notices. */
  #strikeKeeper(): void {
    const keeper = this.home.keeper();
    if (keeper === undefined) return;
    const signal = this.random.weighted<"SIGKILL" | "SIGSTOP">({ SIGKILL: 3, SIGSTOP: 1 });
    try {
      Deno.kill(keeper, signal);
      this.counts.add("keepers killed or stopped");
    } catch {
      // It ended first.
    }
  }

  async cancel(): Promise<void> {
    const account = this.#victim();
    if (!account) return;
    account.marks.add("cancelled");
    const cancel = async () => {
      await this.home.ask("Cancel", { id: account.id }).catch((error) => {
        if (!isRefusal(error, "NoSuchJob")) throw error;
      });
    };
    await cancel();
    if (this.random.oneIn(3)) await cancel();
    this.counts.add("cancels");
  }

  async signal(): Promise<void> {
    const account = this.#victim();
    if (!account) return;
    const name = this.random.pick(SIGNALS);
    account.marks.add(`signal ${constants.signals[`SIG${name}`]}`);
    await this.#signal(account, name);
    // One that stays stopped would be there for ever.
    if (name === "STOP") await this.#signal(account, "CONT");
    this.counts.add("signals");
  }

  async #signal({ id }: Account, signal: string): Promise<void> {
    try {
      await this.home.ask("Signal", { id, signal });
    } catch (error) {
      if (!isRefusal(error, "JobEnded", "NotRunning", "NoSuchJob")) throw error;
    }
  }

  #victim(): Account | undefined {
    const live = this.ledger.live();
    return live.length > 0 ? this.random.pick(live) : undefined;
  }

  #kill(account: Account, who: "shim" | "leader"): void {
    const directory = `${this.home.state}/runs/${account.id}`;
    const file = who === "shim" ? newestClaim(directory) : "proc";
    const [pid, startTicks] = words(`${directory}/${file}`);
    // A fence names nobody, and to kill what is no number is to kill oneself.
    if (!pid || !startTicks || startTicksOf(pid) !== startTicks) return;
    account.marks.add(`${who} killed`);
    try {
      Deno.kill(Number(pid), "SIGKILL");
      this.counts.add(`${who}s killed`);
    } catch {
      // It ended first.
    }
  }
}

function newestClaim(directory: string): string {
  try {
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    const attempts = names.flatMap((name) => /^claim(?:\.(\d+))?$/.exec(name)?.[1] ?? []);
    const last = Math.max(1, ...attempts.map(Number));
    return last === 1 ? "claim" : `claim.${last}`;
  } catch {
    return "claim";
  }
}

function startTicksOf(pid: string): string | undefined {
  return words(`/proc/${pid}/stat`, /^.*\) /)[19];
}

function words(path: string, but = /^/): string[] {
  try {
    return Deno.readTextFileSync(path).replace(but, "").trimEnd().split(" ");
  } catch {
    return [];
  }
}
