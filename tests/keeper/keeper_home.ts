/** A state directory with a keeper of its own, as the supervisor has one, and what its shims tell. */

import { HostProcesses } from "../../src/host/processes.ts";
import { Reactor } from "../../src/host/reactor.ts";
import { raiseFileLimit } from "../../src/host/resource_limits.ts";
import { RunFiles } from "../../src/host/run_files.ts";
import { HostShims } from "../../src/host/shims.ts";
import type { ExitRecord, HearShim, Keeper, ShimNews, ShimStart } from "../../src/ports.ts";
import { until } from "../e2e/home.ts";
import { wakeUp } from "./wake_up.ts";

export const PATH = Deno.env.get("PATH")!;
const ROOT = new URL("../..", import.meta.url).pathname;
const SOFT_FILE_LIMIT = 1024;

/** Builds what is tested, where the source has changed since. */
export function buildKeeper(): void {
  if (modified("dist/keeper") > newest("src/keeper")) return;
  run(["src/keeper/build.sh", "dist/keeper"]);
}

/** The same with address and undefined-behaviour sanitizers, which end it at the first fault. */
export function buildSanitizedKeeper(output: string): boolean {
  const sources = [...Deno.readDirSync(`${ROOT}/src/keeper`)].map(({ name }) => name)
    .filter((name) => name.endsWith(".c")).map((name) => `src/keeper/${name}`);
  const flags =
    "-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 -fsanitize=address,undefined " +
    "-fno-sanitize-recover=all";
  try {
    run([Deno.env.get("CC") ?? "cc", ...flags.split(" "), ...sources, "-o", output]);
    return true;
  } catch (error) {
    console.warn(`no sanitizers here: ${error}`);
    return false;
  }
}

function run([command, ...args]: string[]): void {
  const { success, stderr } = new Deno.Command(command!, {
    args,
    cwd: ROOT,
    stdout: "null",
    stderr: "piped",
  })
    .outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function newest(directory: string): number {
  const names = [...Deno.readDirSync(`${ROOT}/${directory}`)].filter(({ isFile }) => isFile);
  return Math.max(...names.map(({ name }) => modified(`${directory}/${name}`)));
}

/** ms since 1970; 0 when it is not there. */
function modified(path: string): number {
  try {
    return Deno.statSync(`${ROOT}/${path}`).mtime!.getTime();
  } catch {
    return 0;
  }
}

export class Told {
  readonly news: ShimNews[] = [];
  readonly hear: HearShim = (news) => {
    this.news.push(news);
  };

  of<K extends ShimNews["kind"]>(kind: K): Extract<ShimNews, { kind: K }> | undefined {
    return this.news.find((news): news is Extract<ShimNews, { kind: K }> => news.kind === kind);
  }

  get kinds(): string[] {
    return this.news.map(({ kind }) => kind);
  }

  async until<K extends ShimNews["kind"]>(kind: K): Promise<Extract<ShimNews, { kind: K }>> {
    return await until(`${kind} is told`, () => this.of(kind));
  }
}

type Asked = Partial<ShimStart> & { command: readonly string[] };

export class KeeperHome implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "holdfast-keeper-" });
  readonly errors: unknown[] = [];
  readonly reactor = new Reactor((error) => this.errors.push(error));
  readonly files = new RunFiles(this.directory);
  readonly shims: HostShims;
  readonly processes = new HostProcesses(this.reactor);
  keeper: Keeper;
  isGone = false;
  #lastId = 0;
  readonly #running: Promise<void>;

  constructor(program?: () => Uint8Array<ArrayBuffer>) {
    const { hard } = raiseFileLimit();
    this.files.prepare();
    this.shims = new HostShims({
      stateDirectory: this.directory,
      reactor: this.reactor,
      fileLimit: { soft: SOFT_FILE_LIMIT, hard },
      boundsProcesses: true,
      program,
    });
    this.keeper = this.openKeeper();
    this.#running = this.reactor.run();
  }

  openKeeper(): Keeper {
    this.isGone = false;
    return this.keeper = this.shims.openKeeper(() => this.isGone = true);
  }

  /** Of a job in its run directory. Tells what its shim tells. */
  start(asked: Asked): Told & { id: number } {
    const id = asked.id ?? ++this.#lastId;
    if (!asked.id) this.files.create(id);
    const told = Object.assign(new Told(), { id });
    const start = { attempt: 1, token: `token-${id}`, directory: "/", environment: { PATH } };
    const result = this.keeper.start({ ...start, ...asked, id }, told.hear);
    if (result !== "sent") throw new Error(`the start is ${result}`);
    return told;
  }

  /** Its record, and what it has written. */
  async run(asked: Asked): Promise<Ran> {
    const told = this.start(asked);
    await told.until("silent");
    const record = this.files.exitRecord(told.id);
    return {
      told,
      record,
      stdout: this.log(told.id, "stdout"),
      stderr: this.log(told.id, "stderr"),
    };
  }

  log(id: number, stream: "stdout" | "stderr"): string {
    return this.has(`runs/${id}/${stream}.log`) ? this.read(`runs/${id}/${stream}.log`) : "";
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.directory}/${path}`);
  }

  has(path: string): boolean {
    try {
      Deno.lstatSync(`${this.directory}/${path}`);
      return true;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keeper.kill();
    await until("the keeper is gone", () => this.isGone);
    this.reactor.stop();
    wakeUp(this.reactor);
    await this.#running;
    this.processes.reap();
    Deno.removeSync(this.directory, { recursive: true });
    if (this.errors.length > 0) throw new AggregateError(this.errors);
  }
}

export interface Ran {
  readonly told: Told;
  readonly record?: ExitRecord;
  readonly stdout: string;
  readonly stderr: string;
}
