/**
 * Those who read along: a watcher of every event, followers of logs, waiters for ends. Each goes on
 * where it was when a supervisor dies, and checks that nothing is missing and nothing comes twice.
 */

import { Buffer } from "node:buffer";
import { Client, NoSupervisor } from "../src/varlink/client.ts";
import { outputOf } from "./catalogue.ts";
import { isRefusal, sleep, type SoakHome } from "./home.ts";
import { type Account, Breach, type Ledger } from "./ledger.ts";

const JOB_PATIENCE_MS = 600_000;
const NO_SUPERVISOR = 4, NO_SUCH_JOB = 3;

export class Watcher {
  #client?: Client;
  #isOver = false;

  constructor(private readonly home: SoakHome, private readonly ledger: Ledger) {}

  async run(): Promise<void> {
    while (!this.#isOver) {
      try {
        this.#client = await Client.connect(this.home.socket);
        const since = this.ledger.lastSequence;
        for await (const { event } of this.#client.stream("Watch", { since })) {
          if (event) this.ledger.note(event);
        }
      } catch (error) {
        if (!(error instanceof NoSupervisor)) throw error;
        await sleep(20);
      } finally {
        this.#client?.close();
      }
    }
  }

  close(): void {
    this.#isOver = true;
    this.#client?.close();
  }
}

/** Follows a job's output to its end, byte by byte. False when the job was pruned meanwhile. */
export async function follow(home: SoakHome, account: Account): Promise<boolean> {
  const { id, plan } = account;
  const progress = { whole: outputOf(plan), offset: 0 };
  const read = (client: Client) => readLogs(client, id, progress);
  try {
    await home.persist(`logs -f ${id}`, () => home.use(read), JOB_PATIENCE_MS);
  } catch (error) {
    if (isRefusal(error, "NoSuchJob")) return false;
    throw error;
  }
  checkWhole(home, id, progress.whole.slice(0, progress.offset), "a follower");
  return true;
}

async function readLogs(
  client: Client,
  id: number,
  progress: { readonly whole: string; offset: number },
): Promise<void> {
  const parameters = { id, stream: "stdout", offset: progress.offset, follow: true } as const;
  for await (const { data, offset } of client.stream("Logs", parameters)) {
    if (data === undefined) continue;
    const text = Buffer.from(data, "base64").toString();
    const end = progress.offset + text.length;
    if (offset !== progress.offset || text !== progress.whole.slice(offset, end)) {
      const got = `${JSON.stringify(text.slice(0, 40))} at ${offset}`;
      throw new Breach(`a follower at ${progress.offset} was sent ${got}`, id);
    }
    progress.offset = end;
  }
}

/** The same through the command line, which finds the next supervisor by itself. */
export async function followByCommand(home: SoakHome, { id }: Account): Promise<boolean> {
  for (;;) {
    const { code, stdout, stderr } = await home.run("logs", "-f", String(id));
    if (code === NO_SUCH_JOB || /was never started/.test(stderr)) return false;
    if (code === 0) {
      checkWhole(home, id, stdout, "holdfast logs -f");
      return true;
    }
    if (code !== NO_SUPERVISOR) {
      throw new Breach(`holdfast logs -f ended with ${code}: ${stderr}`, id);
    }
    await sleep(50);
  }
}

export async function waitFor(home: SoakHome, account: Account): Promise<boolean> {
  const { id } = account;
  try {
    const wait = (client: Client) => client.call("Wait", { id });
    const { job } = await home.persist(`wait ${id}`, () => home.use(wait), JOB_PATIENCE_MS);
    if (!job.endedAt) throw new Breach("a Wait without a time was answered before the end", id);
    account.waited = JSON.stringify(job);
    return true;
  } catch (error) {
    if (isRefusal(error, "NoSuchJob")) return false;
    throw error;
  }
}

function checkWhole(home: SoakHome, id: number, seen: string, who: string): void {
  const whole = stdoutOf(home, id);
  // It may have been pruned since.
  if (whole === undefined || whole === seen) return;
  throw new Breach(`${who} saw ${seen.length} bytes of ${whole.length}`, id);
}

/** undefined when there is no such file. */
export function stdoutOf(home: SoakHome, id: number): string | undefined {
  try {
    return home.stdout(id);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
