/**
 * The clients of one supervisor: one that submits jobs, and now and then follows or awaits them, and
 * one that does harm, restarts, drains, prunes and asks again, one deed after the other.
 */

import type { Client } from "../src/varlink/client.ts";
import type { Job } from "../src/varlink/interface.ts";
import { type Plan, planJob, planProbe } from "./catalogue.ts";
import type { Counts } from "./figures.ts";
import type { Harm } from "./harm.ts";
import type { Course } from "./course.ts";
import { isRefusal, type SoakHome } from "./home.ts";
import { allJobs } from "./inventory.ts";
import { type Account, Breach, type Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { follow, followByCommand, waitFor } from "./readers.ts";
import type { Restarts } from "./restarts.ts";

const MAX_OPEN_JOBS = 40;
const MAX_READERS = 12;
const RECENT = 8;

export interface Visited {
  readonly home: SoakHome;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly counts: Counts;
  readonly course: Course;
}

export class Submitter {
  #number = 0;
  readonly #readers = new Set<Promise<void>>();

  constructor(private readonly on: Visited) {}

  async run(): Promise<void> {
    const { ledger, random, course } = this.on;
    while (!course.isOver) {
      if (ledger.open < MAX_OPEN_JOBS) await this.#submit();
      await course.pause(random.between(0, 160));
    }
  }

  /** Waits for all who read along. */
  async readersDone(): Promise<void> {
    await Promise.all(this.#readers);
  }

  async #submit(): Promise<void> {
    const { home, ledger, random } = this.on;
    const live = ledger.live().slice(-RECENT).map(({ id }) => id);
    const plan = planJob(random, ++this.#number, `${home.directory}/ran`, live);
    const job = await submit(this.on, plan);
    if (job) this.#readAlong(ledger.acknowledge(job, plan));
  }

  #readAlong(account: Account): void {
    const { home, random, counts, course } = this.on;
    const isLong = account.plan.lines > 0;
    const kind = random.weighted({
      none: isLong ? 2 : 8,
      follow: isLong ? 3 : 1,
      command: 1,
      wait: 2,
    });
    if (kind === "none" || this.#readers.size >= MAX_READERS) return;
    const read = { follow, command: followByCommand, wait: waitFor }[kind];
    const reading = read(home, account)
      .then((isWhole) => counts.add(isWhole ? `${kind} to the end` : `${kind} of a pruned job`))
      .catch((error) => course.fail(error))
      .finally(() => this.#readers.delete(reading));
    this.#readers.add(reading);
  }
}

/** Submits until it is acknowledged. undefined when a job that it was to follow has been pruned. */
async function submit({ home, counts, course }: Visited, plan: Plan): Promise<Job | undefined> {
  const spec = specOf(home, plan);
  let tries = 0;
  for (;;) {
    try {
      const send = (client: Client) => (tries++, client.call("Submit", { spec }));
      const { job, created } = await home.persist("submit", () => home.use(send));
      if (!created && tries === 1) throw new Breach(`"${plan.key}" was there before`, job.id);
      if (tries > 1) {
        counts.add(created ? "acknowledged after tries" : "acknowledged when asked again");
      }
      counts.add("jobs");
      return job;
    } catch (error) {
      if (isRefusal(error, "InvalidJob") && error.parameters.field === "after") return undefined;
      if (!isRefusal(error, "Draining")) throw error;
      await course.pause(50);
    }
  }
}

function specOf(home: SoakHome, { spec }: Plan) {
  return {
    ...spec,
    directory: home.directory,
    environment: { ...home.environment, ...spec.environment },
  };
}

const CALM = { kill: 3, cancel: 4, signal: 4, again: 3, drain: 1, prune: 1 };
const PAUSE_MS = { short: [20, 600], long: [3000, 10_000] } as const;

export class Troubler {
  #conflicts = 0;

  constructor(
    private readonly on: Visited,
    private readonly harm: Harm,
    /** Absent when the supervisor is to live on. */
    private readonly restarts?: Restarts,
  ) {}

  async run(): Promise<void> {
    const { random, course } = this.on;
    const restart = this.restarts ? 8 : 0;
    while (!course.isOver) {
      await this.#do(random.weighted({ ...CALM, restart }));
      const [least, most] = PAUSE_MS[random.oneIn(15) ? "long" : "short"];
      await course.pause(random.between(least, most));
    }
  }

  async #do(deed: keyof typeof CALM | "restart"): Promise<void> {
    switch (deed) {
      case "restart":
        return await this.restarts?.one();
      case "kill":
        return this.harm.killSome(2);
      case "cancel":
        return await this.harm.cancel();
      case "signal":
        return await this.harm.signal();
      case "again":
        return await this.#askAgain();
      case "drain":
        return await this.#drain();
      case "prune":
        return await this.#prune();
    }
  }

  /** A key that is known is answered with its job, and refuses another spec. */
  async #askAgain(): Promise<void> {
    const { home, ledger, random, counts } = this.on;
    const kept = ledger.kept();
    if (kept.length === 0) return;
    const { id, plan } = ledger.accounts.get(random.pick(kept))!;
    const spec = specOf(home, plan);
    const { job, created } = await home.ask("Submit", { spec });
    if (created || job.id !== id) throw new Breach(`its key was answered with job ${job.id}`, id);
    const other = home.ask("Submit", { spec: { ...spec, cpus: 5 } });
    const answer = await other.catch((error) => error);
    if (!isRefusal(answer, "KeyConflict")) {
      throw new Breach(`another spec under its key: ${answer}`, id);
    }
    counts.add("keys asked again");
  }

  async #drain(): Promise<void> {
    const { home, random, counts, course } = this.on;
    await home.ask("Drain", {});
    if (random.oneIn(2)) await this.restarts?.one();
    const spec = { command: ["true"], key: `refused ${++this.#conflicts}` };
    const answer = await home.ask("Submit", { spec }).catch((error) => error);
    if (!isRefusal(answer, "Draining")) throw new Breach(`a drained node answered ${answer}`);
    await course.pause(random.between(0, 500));
    await home.ask("Resume", {});
    counts.add("drains");
  }

  async #prune(): Promise<void> {
    const { home, ledger, random, counts } = this.on;
    await this.#caughtUp();
    const { removed } = await home.ask("Prune", { olderThan: random.between(3, 30) });
    const kept = new Set((await allJobs(home)).map(({ id }) => id));
    let missing = 0;
    for (const id of ledger.kept()) {
      if (kept.has(id) || !await isGone(home, id)) continue;
      missing++;
      ledger.told.set(id, "");
    }
    if (missing !== removed) {
      throw new Breach(`prune removed ${removed} jobs, and ${missing} are missing`);
    }
    counts.add("prunes");
    counts.add("jobs pruned", removed);
  }

  /** Until the watcher has seen the end of a job of now, so that it misses none of those pruned. */
  async #caughtUp(): Promise<void> {
    const { home, ledger, counts, course } = this.on;
    const probe = planProbe(counts.of("probes"), `${home.directory}/ran`);
    counts.add("probes");
    const { id } = ledger.acknowledge((await submit(this.on, probe))!, probe);
    while (!ledger.told.has(id)) await course.pause(20);
  }
}

async function isGone(home: SoakHome, id: number): Promise<boolean> {
  try {
    await home.ask("Status", { id });
    return false;
  } catch (error) {
    if (isRefusal(error, "NoSuchJob")) return true;
    throw error;
  }
}
