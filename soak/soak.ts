/**
 * One soak: a supervisor in its own home under random jobs and trouble for a while, then brought to
 * its end and accounted for. `restarts` decides whether the supervisor itself is killed too, or lives
 * through all of it, so that its own growth can be seen.
 */

import { until } from "../tests/e2e/home.ts";
import { Auditor } from "./auditor.ts";
import { Course } from "./course.ts";
import { Counts, descriptors, range, row, sample, Stretch } from "./figures.ts";
import { Harm } from "./harm.ts";
import { SoakHome } from "./home.ts";
import { checkIdle, checkRemains } from "./inventory.ts";
import { Breach, Ledger } from "./ledger.ts";
import { Random } from "./random.ts";
import { Watcher } from "./readers.ts";
import { Restarts } from "./restarts.ts";
import { Submitter, Troubler, type Visited } from "./visitors.ts";

export interface SoakOptions {
  readonly name: string;
  readonly seed: string;
  readonly seconds: number;
  readonly restarts: boolean;
  /** A row of the table. */
  readonly print: (line: string) => void;
}

const SAMPLE_MS = 1000;
const ROW_SECONDS = 60;
const CPUS = "16";
/**
 * How much the least memory of a long life may grow from the middle of it to its end. The runtime's
 * heap takes minutes to find its size, so shorter lives tell nothing.
 */
const GROWTH_BYTES = 16e6, ROWS_THAT_TELL = 8;
const LAST_JOBS_MS = 180_000;

export class Soak implements AsyncDisposable {
  readonly counts = new Counts();
  readonly #home = new SoakHome(["--cpus", CPUS]);
  readonly #ledger = new Ledger();
  readonly #course = new Course();
  readonly #stretches: Stretch[] = [];
  #startedAtMs = 0;

  constructor(private readonly options: SoakOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Throws what was wrong, with all that is known of it. */
  async run(): Promise<void> {
    try {
      await this.#course.unlessFailed(this.#run());
    } catch (error) {
      this.#course.fail(error);
      throw new Error(await this.#facts(error));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#course.fail(new Error("the soak has been ended"));
    await this.#home[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { restarts, seed, name } = this.options;
    const home = this.#home, ledger = this.#ledger, counts = this.counts, course = this.#course;
    const random = new Random(`${seed}/${name}`);
    await home.start();
    this.#startedAtMs = Date.now();
    const baseline = await restingDescriptors(home.pid);
    const harm = new Harm(home, ledger, random.stream("harm"), counts);
    const kills = restarts
      ? new Restarts(home, harm, random.stream("restarts"), counts)
      : undefined;
    const visited = (stream: string): Visited => {
      return { home, ledger, counts, course, random: random.stream(stream) };
    };
    const submitter = new Submitter(visited("jobs"));
    const troubler = new Troubler(visited("trouble"), harm, kills);
    const watcher = new Watcher(home, ledger);
    const auditor = new Auditor(home, ledger, counts, course);
    const watching = this.#guard(watcher.run());
    const auditing = this.#guard(auditor.run());
    await Promise.all(
      [this.#measure(), submitter.run(), troubler.run()].map((it) => this.#guard(it)),
    );
    await this.#lastJobs(auditing);
    await submitter.readersDone();
    watcher.close();
    await watching;
    await this.#account(baseline, auditor);
  }

  /** So that a failure ends everything at once, whoever awaits what. */
  #guard<T>(work: Promise<T>): Promise<T> {
    work.catch((error) => this.#course.fail(error));
    return work;
  }

  async #lastJobs(auditing: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      const open = [...this.#ledger.accounts.keys()].filter((id) => !this.#ledger.told.has(id));
      this.#course.fail(new Breach(`not ended in time: ${open.join(" ")}`, open[0]));
    }, LAST_JOBS_MS);
    try {
      await auditing;
    } finally {
      clearTimeout(timer);
    }
  }

  async #account(baseline: string[], auditor: Auditor): Promise<void> {
    const home = this.#home, ledger = this.#ledger;
    await checkIdle(home, ledger, baseline);
    const atRest = new Stretch();
    atRest.add(sample(home));
    this.#print(atRest);
    this.#checkGrowth();
    await home.restart();
    await checkIdle(home, ledger, baseline);
    auditor.ran.read();
    for (const id of auditor.ran.ids()) {
      if (!ledger.accounts.has(id)) throw new Breach("it ran, and nobody knows it", id);
    }
    if (ledger.ended.size > 0) {
      throw new Breach(`unknown jobs ended: ${[...ledger.ended].join(" ")}`);
    }
    const code = await home.signal("SIGTERM");
    if (code !== 0) throw new Breach(`the last supervisor ended with ${code}`);
    checkRemains(home);
    const complaints = home.complaints();
    if (complaints.length > 0) {
      throw new Breach(`in the logs: ${complaints.slice(0, 5).join("\n")}`);
    }
  }

  async #measure(): Promise<void> {
    const { seconds } = this.options;
    for (let rows = 0; !this.#course.isOver; rows++) {
      const stretch = new Stretch();
      const until = Math.min(seconds, (rows + 1) * ROW_SECONDS);
      while (this.#elapsed() < until && !this.#course.isOver) {
        stretch.add(sample(this.#home));
        await this.#course.pause(SAMPLE_MS);
      }
      this.#stretches.push(stretch);
      this.#print(stretch);
      if (until === seconds) this.#course.end();
    }
  }

  #print(stretch: Stretch): void {
    if (stretch.isEmpty) return;
    const { counts } = this;
    const kills = [
      "kill -9",
      "hand-overs (SIGTERM)",
      "replacements (SIGHUP)",
      "shims killed",
      "leaders killed",
      "keepers killed or stopped",
    ];
    this.options.print(row([
      this.#elapsed().toFixed(0),
      this.options.name,
      counts.of("jobs"),
      this.#ledger.kept().length,
      counts.of("starts"),
      kills.reduce((sum, name) => sum + counts.of(name), 0),
      range(stretch, "rss", 1e6, 1),
      range(stretch, "descriptors"),
      range(stretch, "files"),
      range(stretch, "journal", 1e6, 1),
    ]));
  }

  #elapsed(): number {
    return (Date.now() - this.#startedAtMs) / 1000;
  }

  #checkGrowth(): void {
    const stretches = this.#stretches;
    if (this.options.restarts || stretches.length < ROWS_THAT_TELL) return;
    const middle = stretches[stretches.length >> 1]!, last = stretches.at(-1)!;
    const growth = last.least("rss") - middle.least("rss");
    if (growth > GROWTH_BYTES) throw new Breach(`memory grew by ${(growth / 1e6).toFixed(1)} MB`);
  }

  async #facts(error: unknown): Promise<string> {
    const { name, seed } = this.options;
    const what = error instanceof Error ? error.message : String(error);
    const lines = [
      `seed ${seed}, supervisor "${name}", after ${this.#elapsed().toFixed(1)} s: ${what}`,
    ];
    if (!(error instanceof Breach)) {
      lines.push(String(error instanceof Error ? error.stack : error));
    }
    const id = error instanceof Breach ? error.id : undefined;
    if (id === undefined) return [...lines, `log:\n${this.#home.log}`].join("\n");
    const account = this.#ledger.accounts.get(id);
    const ask = async (method: "Status" | "History") => {
      const answer = this.#home.use((client) => client.call(method, { id }));
      return JSON.stringify(await answer.catch(String));
    };
    return [
      ...lines,
      `job ${id}, ${account?.plan.kind}; done to it: ${
        [...account?.marks ?? []].join(", ") || "nothing"
      }`,
      `status: ${await ask("Status")}`,
      `history: ${await ask("History")}`,
      `log:\n${this.#home.logOf(id)}`,
    ].join("\n");
  }
}

/** Once they have not changed for a while: whoever asked whether it answers has gone. */
async function restingDescriptors(pid: number): Promise<string[]> {
  let last = "", looks = 0;
  return await until("its descriptors rest", () => {
    const now = descriptors(pid);
    looks = now.join() === last ? looks + 1 : 0;
    last = now.join();
    return looks > 20 && now;
  });
}
