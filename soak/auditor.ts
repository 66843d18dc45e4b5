/**
 * Looks at each job as soon as its end has been told: the end, the log, how often it ran, and that no
 * process of it is left. What was told is kept, to be compared with what is told later.
 */

import type { Course } from "./course.ts";
import { isRefusal, type SoakHome } from "./home.ts";
import { outcomeOf, wrongEnd, wrongLog, wrongRuns } from "./judgement.ts";
import { type Account, Breach, type Ledger } from "./ledger.ts";
import { stdoutOf } from "./readers.ts";
import type { Counts } from "./figures.ts";

const LOOK_MS = 200;

export class Auditor {
  readonly ran: RanFile;

  constructor(
    private readonly home: SoakHome,
    private readonly ledger: Ledger,
    private readonly counts: Counts,
    private readonly course: Course,
  ) {
    this.ran = new RanFile(`${home.directory}/ran`);
  }

  async run(): Promise<void> {
    for (;;) {
      const accounts = this.ledger.takeEnded();
      if (accounts.length > 0) {
        const left = processesOfJobs(this.home);
        this.ran.read();
        for (const account of accounts) await this.#audit(account, left.get(account.id));
      }
      if (this.course.isOver && this.ledger.open === 0) return;
      await this.course.pause(LOOK_MS);
    }
  }

  async #audit(account: Account, left: string[] | undefined): Promise<void> {
    const { id } = account;
    if (left) throw new Breach(`it has ended, and these run on: ${left.join("; ")}`, id);
    const job = await this.#status(id);
    if (!job) {
      this.counts.add("pruned before they were looked at");
      this.ledger.told.set(id, "");
      return;
    }
    const matter = { ...account, before: this.ledger.before(account) };
    const wrong = wrongEnd(matter, job) ?? wrongRuns(matter, job, this.ran.count(id)) ??
      wrongLog(matter, job, stdoutOf(this.home, id) ?? "");
    if (wrong) throw new Breach(wrong, id);
    this.ledger.told.set(id, JSON.stringify(job));
    this.counts.add(`ended ${outcomeOf(job).split(" ").slice(0, 2).join(" ")}`);
    if (job.exitCode === "-999:0") this.counts.add("exit status unknown (shim killed by us)");
    if (job.adopted) this.counts.add("adopted");
  }

  async #status(id: number) {
    try {
      return (await this.home.ask("Status", { id })).job;
    } catch (error) {
      if (isRefusal(error, "NoSuchJob")) return undefined;
      throw error;
    }
  }
}

/** The file to which each job appends its id when it runs. */
class RanFile {
  #counts = new Map<number, number>();
  #offset = 0;

  constructor(private readonly path: string) {}

  read(): void {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(this.path);
    } catch {
      return;
    }
    using _ = file;
    file.seekSync(this.#offset, Deno.SeekMode.Start);
    const buffer = new Uint8Array(1 << 16);
    for (let count; (count = file.readSync(buffer));) {
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      const lines = text.slice(0, text.lastIndexOf("\n") + 1);
      if (lines === "") return;
      for (const line of lines.trimEnd().split("\n")) this.#add(Number(line));
      this.#offset += lines.length;
      file.seekSync(this.#offset, Deno.SeekMode.Start);
    }
  }

  count(id: number): number {
    return this.#counts.get(id) ?? 0;
  }

  ids(): Iterable<number> {
    return this.#counts.keys();
  }

  #add(id: number): void {
    const count = this.count(id) + 1;
    if (count > 1) throw new Breach(`it ran ${count} times`, id);
    this.#counts.set(id, count);
  }
}

/** Living processes by job, shims left out. */
function processesOfJobs(home: SoakHome): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const pid of home.processes()) {
    const [environment, commandLine] = ["environ", "cmdline"].map((name) => textOf(pid, name));
    const [, id] = /(?:^|\0)HOLDFAST_JOB_ID=(\d+)/.exec(environment!) ?? [];
    if (!id || commandLine!.startsWith("holdfast-shim ")) continue;
    const line = `${pid} ${commandLine!.replaceAll("\0", " ").slice(0, 100)}`;
    found.set(Number(id), [...found.get(Number(id)) ?? [], line]);
  }
  return found;
}

function textOf(pid: number, name: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}
