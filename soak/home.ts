/**
 * A supervisor's home for a long run: as the tests' own, with a log that does not grow for ever, calls
 * that outlive a restart, and no start once it is being taken down.
 */

import { Home } from "../tests/e2e/home.ts";
import { NoSupervisor, VarlinkError } from "../src/varlink/client.ts";
import type { Methods } from "../src/varlink/interface.ts";
import { Breach } from "./ledger.ts";

const PATIENCE_MS = 60_000;
const LOGS_KEPT = 40;

export class SoakHome extends Home {
  #isOver = false;

  constructor(private readonly flags: string[]) {
    super();
  }

  override get environment(): Record<string, string> {
    return { ...super.environment, LOG_LEVEL: "INFO" };
  }

  /** The end of the newest supervisor's log. */
  override get log(): string {
    return this.#logs(1).split("\n").slice(-20).join("\n");
  }

  override launch(flags: string[] = []): void {
    if (this.#isOver) throw new Error("the soak is over");
    this.#dropOldLogs();
    super.launch([...this.flags, ...flags]);
  }

  /** What the logs that are still there say of a job. */
  logOf(id: number): string {
    const lines = this.#logs(LOGS_KEPT).split("\n");
    return lines.filter((line) => line.includes(`job=${id} `) || line.endsWith(`job=${id}`)).join(
      "\n",
    );
  }

  complaints(): string[] {
    return this.#logs(LOGS_KEPT).split("\n").filter((line) =>
      line !== "" && !/^\S+ (DEBUG|INFO|WARN|ALERT) /.test(line)
    );
  }

  /** The answer, of this supervisor or the next one: only for what may be asked twice. */
  async ask<M extends keyof Methods>(method: M, parameters: Methods[M][0]): Promise<Methods[M][1]> {
    return await this.persist(method, () => this.use((client) => client.call(method, parameters)));
  }

  /** Does `body` until no supervisor's end gets in its way. */
  async persist<T>(what: string, body: () => Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      try {
        return await body();
      } catch (error) {
        if (this.#isOver || !isAway(error)) throw error;
        if (Date.now() > deadline) throw new Breach(`${what}: no answer in time: ${error}`);
        await sleep(20);
      }
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await super[Symbol.asyncDispose]();
  }

  #logs(count: number): string {
    return this.#logPaths().slice(-count).map((path) => Deno.readTextFileSync(path)).join("");
  }

  #logPaths(): string[] {
    const names = [...Deno.readDirSync(this.directory)].map(({ name }) => name);
    const numbers = names.flatMap((name) => /^log\.(\d+)$/.exec(name)?.[1] ?? []).map(Number);
    return numbers.sort((a, b) => a - b).map((number) => `${this.directory}/log.${number}`);
  }

  #dropOldLogs(): void {
    for (const path of this.#logPaths().slice(0, -LOGS_KEPT)) Deno.removeSync(path);
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof NoSupervisor) return true;
  return error instanceof VarlinkError && error.parameters.message === "the supervisor is ending";
}

export function isRefusal(error: unknown, ...names: string[]): error is VarlinkError {
  return error instanceof VarlinkError && names.includes(error.name);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
