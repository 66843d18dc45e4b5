/**
 * A life of a supervisor with every stage in it, in about two seconds. `prepare` leaves what a killed
 * predecessor can leave; `live` starts on it and goes through submission, start, cancel, signal,
 * timeout, leftovers, logs, prune, upgrade and end. All that clients ask may be asked again, so the
 * same life is led a second time after a kill, and the ledger says what the first one had told.
 */

import { assertEquals } from "../assert.ts";
import { Client, NoSupervisor, VarlinkError } from "../../src/varlink/client.ts";
import type { Event, Job, Spec } from "../../src/varlink/interface.ts";
import { type Home, until } from "../e2e/home.ts";
import { ASKED, FOUND, type ScenarioJob } from "./jobs.ts";
import type { Mode } from "./points.ts";

const CAPACITY = ["--cpus", "64"];
const PRUNED_S = 3600;
const WAIT_S = 20;
/** Exit codes of what SIGKILL has ended: a shell's, and unshare's, which cannot end as its child did. */
const KILLED = [128 + 9, 1];

/** What clients have been told. */
export class Ledger {
  readonly ids = new Map<string, number>();
  readonly events: Event[] = [];
  readonly ends: Job[] = [];

  id(key: string): number {
    return this.ids.get(key)!;
  }
}

export class Scenario implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly jobs: readonly ScenarioJob[];
  readonly #stranger = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  #pid = 0;

  constructor(readonly home: Home, private readonly mode: Mode) {
    this.jobs = mode === "supervisor" || mode === "both" ? [...FOUND, ...ASKED] : ASKED;
  }

  /** Leaves a journal and processes to be found, and nobody who supervises them. */
  async prepare(): Promise<void> {
    const { home, ledger } = this;
    if (!this.jobs.includes(FOUND[0]!)) return;
    await home.start(...CAPACITY);
    await home.use(async (client) => {
      for (const job of FOUND) await this.#submit(client, job);
      await client.call("Wait", { id: ledger.id("old") });
    });
    for (const key of ["away", "adopted", "lost", "orphan", "late", "stubborn"]) {
      await home.running(ledger.id(key));
      await until(`${key} executes`, () => home.lines("ran").includes(key));
    }
    // Its family outlives it for its grace alone, in which we must be gone.
    Deno.writeTextFileSync(`${home.directory}/leave`, "");
    const exits = `${home.state}/exits`;
    await until("its leader has ended", () => exists(`${exits}/${ledger.id("family")}`));
    await until("it ignores SIGTERM", () => exists(`${home.directory}/stubborn-is-ready`));
    await home.cancel(ledger.id("stubborn"));
    await home.crash();
    this.#bereave();
    Deno.writeTextFileSync(`${home.directory}/away`, "");
    await until("one ends while we are away", () => exists(`${exits}/${ledger.id("away")}`));
  }

  /** Starts a supervisor and asks everything of it. False when it was killed before its end. */
  async live(wrapper: string[], upgrades: boolean): Promise<boolean> {
    const { home } = this;
    home.launch(CAPACITY, wrapper);
    this.#pid = home.pid;
    let isDead = false;
    const ended = home.ended().finally(() => isDead = true);
    try {
      await until("a supervisor answers", async () => isDead || await home.answers());
      if (!isDead) await this.#ask();
      if (upgrades && !isDead) await this.#upgrade(() => isDead);
      if (!isDead) await this.#waitForAll();
      if (!isDead) Deno.kill(this.#supervisor(), "SIGTERM");
    } catch (error) {
      if (!(error instanceof NoSupervisor)) throw error;
    }
    await until("the supervisor ends", () => isDead);
    const code = await ended;
    const killed = KILLED.slice(0, this.mode === "machine" ? 2 : 1);
    if (code !== 0 && !killed.includes(code)) {
      throw new Error(`the supervisor ended with ${code}; log: ${home.log}`);
    }
    return code === 0;
  }

  isStrangerWell(): boolean {
    return /\) [SR] /.test(Deno.readTextFileSync(`/proc/${this.#stranger.pid}/stat`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stranger.kill("SIGKILL");
    await this.#stranger.status;
  }

  /** Every call can be made again, and then finds what the first one did. */
  async #ask(): Promise<void> {
    const { home, ledger } = this;
    const watch = new Watch(home, ledger);
    await home.use(async (client) => {
      for (const job of this.jobs) if (job.key !== "old") await this.#submit(client, job);
      await client.call("Cancel", { id: ledger.id("unborn") });
      // What comes together shares a transaction.
      await Promise.all([client.call("Drain", {}), client.call("Node", {})]);
      await client.call("Resume", {});
      await watch.started(ledger.id("cancelled"));
      await client.call("Cancel", { id: ledger.id("cancelled") });
      await watch.started(ledger.id("signalled"));
      await unlessEnded(client.call("Signal", { id: ledger.id("signalled"), signal: "USR1" }));
      for await (const _ of client.stream("Logs", { id: ledger.id("seven") }));
      await client.call("List", {});
      await client.call("History", { id: ledger.id("seven") });
      await client.call("Prune", { olderThan: PRUNED_S });
    });
  }

  async #submit(client: Client, { key, script, spec, after }: ScenarioJob) {
    const full: Spec = {
      command: ["sh", "-c", `echo ${key} >> ran; ${script}`],
      key,
      directory: this.home.directory,
      environment: this.home.environment,
      ...after ? { after: [this.ledger.id(after)] } : {},
      ...spec,
    };
    const { job, created } = await client.call("Submit", { spec: full });
    const known = this.ledger.ids.get(key);
    if (known !== undefined) assertEquals([job.id, created], [known, false], `${key} is lost`);
    this.ledger.ids.set(key, job.id);
  }

  async #upgrade(isDead: () => boolean): Promise<void> {
    const started = () => this.home.use((client) => client.call("Node", {}));
    const { node } = await started();
    Deno.kill(this.#supervisor(), "SIGHUP");
    await until("its successor answers", async () => {
      if (isDead()) return true;
      try {
        return (await started()).node.startedAt !== node.startedAt;
      } catch (error) {
        if (error instanceof NoSupervisor) return false;
        throw error;
      }
    });
  }

  async #waitForAll(): Promise<void> {
    const { home, ledger } = this;
    Deno.writeTextFileSync(`${home.directory}/go`, "");
    await home.use((client) =>
      Promise.all(
        this.jobs.filter(({ key }) => key !== "old").map(async ({ key }) => {
          const { job } = await client.call("Wait", { id: ledger.id(key), timeout: WAIT_S });
          if (!job.endedAt) throw new Error(`${key} has not ended: ${JSON.stringify(job)}`);
          ledger.ends.push(job);
        }),
      )
    );
  }

  #supervisor(): number {
    if (this.mode !== "machine") return this.#pid;
    return Number(Deno.readTextFileSync(`/proc/${this.#pid}/task/${this.#pid}/children`).trim());
  }

  /** What else can have happened while no supervisor was there. */
  #bereave(): void {
    const { home, ledger } = this;
    const kill = (key: string, file: string) => {
      const path = `${home.state}/runs/${ledger.id(key)}/${file}`;
      Deno.kill(Number(Deno.readTextFileSync(path).split(" ")[0]), "SIGKILL");
    };
    kill("orphan", "claim");
    kill("lost", "claim");
    kill("lost", "proc");
    // A stranger has the pids of one job now; another's shim has never been started.
    Deno.mkdirSync(`${home.state}/runs/${ledger.id("fenced")}`, { mode: 0o700 });
    home.edit(`
      UPDATE jobs SET ended_at = ended_at - ${PRUNED_S * 2000} WHERE key = 'old';
      UPDATE resource_allocations
        SET process_id = ${this.#stranger.pid}, shim_process_id = ${this.#stranger.pid}
        WHERE job_id = ${ledger.id("lost")};
      UPDATE jobs SET state = 'STARTING', attempts = 1 WHERE key = 'fenced';
      INSERT INTO resource_allocations
        (job_id, allocated_cpus, allocated_memory, node_name, boot_id, pid_namespace, token)
        SELECT ${ledger.id("fenced")}, 1, 0, node_name, boot_id, pid_namespace, 'a-token'
        FROM resource_allocations WHERE job_id = ${ledger.id("lost")};
    `);
  }
}

/** Notes every event that the supervisor tells, until it is gone. */
class Watch {
  #isOver = false;

  constructor(home: Home, private readonly ledger: Ledger) {
    this.#follow(home).catch(() => {}).finally(() => this.#isOver = true);
  }

  async started(id: number): Promise<void> {
    await until(
      `job ${id} has started`,
      () =>
        this.#isOver ||
        this.ledger.events.some((event) =>
          event.id === id && event.state !== "QUEUED" && event.state !== "STARTING"
        ),
    );
  }

  async #follow(home: Home): Promise<void> {
    const client = await Client.connect(home.socket);
    for await (const { event } of client.stream("Watch", { since: 0 })) {
      if (event) this.ledger.events.push(event);
    }
  }
}

/** One that has been killed may have no process any more before its end is noticed. */
async function unlessEnded(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const isOver = error instanceof VarlinkError && ["JobEnded", "NotRunning"].includes(error.name);
    if (!isOver) throw error;
  }
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
