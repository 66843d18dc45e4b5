/**
 * A supervisor's home for one test: temporary directories, the compiled binary, clients and the
 * command line. Disposing of it ends every process that it has given rise to and removes its files.
 */

import { existsSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assert } from "../assert.ts";
import { groupName, ownCgroup } from "../../src/host/cgroup_ground.ts";
import { removeCgroup } from "../../src/host/cgroups.ts";
import { Client } from "../../src/varlink/client.ts";
import type { Job, Spec } from "../../src/varlink/interface.ts";

export const BINARY = resolve(
  Deno.env.get("HOLDFAST_BIN") ?? new URL("../../dist/holdfast", import.meta.url).pathname,
);

/** Some tests mount, change the user or make namespaces. */
export const IS_ROOT = Deno.uid() === 0;

const DEADLINE_MS = 20_000;
const MARK = "HOLDFAST_TEST_HOME";

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Home implements AsyncDisposable {
  readonly state: string;
  readonly runtime: string;
  readonly socket: string;
  #daemon?: Deno.ChildProcess;
  #logs = 0;

  constructor(readonly directory = Deno.makeTempDirSync({ prefix: "holdfast-test-" })) {
    // Other users may look in, since some tests ask as one.
    Deno.chmodSync(directory, 0o755);
    this.state = `${directory}/state`;
    this.runtime = `${directory}/run`;
    this.socket = `${this.runtime}/control.sock`;
  }

  /** A new home with a supervisor that answers. */
  static async start(...flags: string[]): Promise<Home> {
    const home = new Home();
    await home.start(...flags);
    return home;
  }

  get pid(): number {
    return this.#daemon!.pid;
  }

  get environment(): Record<string, string> {
    return {
      PATH: Deno.env.get("PATH")!,
      HOLDFAST_STATE_DIR: this.state,
      HOLDFAST_RUNTIME_DIR: this.runtime,
      LOG_LEVEL: "DEBUG",
      [MARK]: this.directory,
    };
  }

  get log(): string {
    const logs = Array.from({ length: this.#logs }, (_, i) => `${this.directory}/log.${i + 1}`);
    return logs.map((path) => Deno.readTextFileSync(path)).join("");
  }

  /** Starts a supervisor, under `wrapper` if there is one, and waits until it answers. */
  async start(...flags: string[]): Promise<void> {
    this.launch(flags);
    await until(`a supervisor answers; log: ${this.log}`, () => this.answers());
  }

  launch(flags: string[], wrapper: string[] = [], binary = BINARY): void {
    const log = `${this.directory}/log.${++this.#logs}`;
    Deno.writeTextFileSync(log, "");
    const words = [...wrapper, binary, "daemon", "--cpus", "8", ...flags];
    const script = 'log=$1; shift; exec "$@" 2>>"$log" </dev/null >/dev/null';
    this.#daemon = this.spawn("sh", ["-c", script, "sh", log, ...words], "/");
  }

  /** A process of this home that says nothing. */
  spawn(program: string, args: string[], cwd?: string): Deno.ChildProcess {
    return new Deno.Command(program, {
      args,
      env: this.environment,
      clearEnv: true,
      cwd,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async answers(): Promise<boolean> {
    try {
      await this.use((client) => client.call("Node", {}));
      return true;
    } catch {
      return false;
    }
  }

  async signal(signal: Deno.Signal): Promise<number> {
    this.#daemon!.kill(signal);
    return await this.ended();
  }

  /** The exit code of the supervisor that was started last. */
  async ended(): Promise<number> {
    const { code } = await this.#daemon!.status;
    this.#daemon = undefined;
    return code;
  }

  /** kill -9, and nobody there until the next start. */
  async crash(): Promise<void> {
    await this.signal("SIGKILL");
  }

  async restart(...flags: string[]): Promise<void> {
    await this.crash();
    await this.start(...flags);
  }

  async use<T>(body: (client: Client) => Promise<T>): Promise<T> {
    const client = await Client.connect(this.socket);
    try {
      return await body(client);
    } finally {
      client.close();
    }
  }

  async submit(command: string | string[], spec: Partial<Spec> = {}): Promise<number> {
    const words = typeof command === "string" ? ["sh", "-c", command] : command;
    const environment = { ...this.environment, ...spec.environment };
    const full = { directory: this.directory, ...spec, command: words, environment };
    const { job } = await this.use((client) => client.call("Submit", { spec: full }));
    return job.id;
  }

  async status(id: number): Promise<Job> {
    return (await this.use((client) => client.call("Status", { id }))).job;
  }

  async cancel(id: number): Promise<Job> {
    return (await this.use((client) => client.call("Cancel", { id }))).job;
  }

  /** The job when it has ended. */
  async wait(id: number, timeout = DEADLINE_MS / 1000): Promise<Job> {
    const { job } = await this.use((client) => client.call("Wait", { id, timeout }));
    assert(job.endedAt, `job ${id} has not ended: ${JSON.stringify(job)}; log: ${this.log}`);
    return job;
  }

  async running(id: number): Promise<Job> {
    return await until(`job ${id} runs`, async () => {
      const job = await this.status(id);
      return job.state === "RUNNING" && job;
    });
  }

  stdout(id: number): string {
    return Deno.readTextFileSync(`${this.state}/runs/${id}/stdout.log`);
  }

  /** Lines of a file in the home; none when it does not exist. */
  lines(name: string): string[] {
    try {
      return Deno.readTextFileSync(`${this.directory}/${name}`).split("\n").slice(0, -1);
    } catch {
      return [];
    }
  }

  async run(...words: string[]): Promise<Output> {
    return await this.runAs({}, ...words);
  }

  async runAs(
    options: { uid?: number; env?: Record<string, string> },
    ...words: string[]
  ): Promise<Output> {
    const { code, stdout, stderr } = await new Deno.Command(BINARY, {
      args: words,
      env: { ...this.environment, ...options.env },
      clearEnv: true,
      uid: options.uid,
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Opens the journal of a supervisor that is not there, and closes it as a supervisor would. */
  inJournal<T>(body: (database: DatabaseSync) => T): T {
    using database = new DatabaseSync(`${this.state}/journal.db`);
    try {
      return body(database);
    } finally {
      rmSync(`${this.state}/journal.db-open`, { force: true });
    }
  }

  edit(sql: string): void {
    this.inJournal((database) => database.exec(sql));
  }

  /** Undefined while its supervisor has none. */
  keeper(): number | undefined {
    return processesOf(this).find(isKeeper);
  }

  /** Processes of this home, the supervisor itself and its keeper left out. */
  processes(): number[] {
    return processesOf(this).filter((pid) => pid !== this.#daemon?.pid && !isKeeper(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#daemon) {
      try {
        await this.crash();
      } catch {
        // It has ended already.
      }
    }
    await until("its processes have ended", () => killAll(this));
    await removeCgroups(this.state);
    // A process that was in the middle of execve(2) when it was looked for may still write into it.
    await until("its directory is removed", () => {
      killAll(this);
      try {
        rmSync(this.directory, { recursive: true });
        return true;
      } catch {
        return false;
      }
    });
  }
}

/** Those that a supervisor which was killed has left, below the cgroup that the tests run in. */
async function removeCgroups(state: string): Promise<void> {
  const own = ownCgroup();
  if (typeof own === "string" || !existsSync(state)) return;
  const group = `${own.directory}/${groupName(state)}`;
  if (!existsSync(group)) return;
  // Whoever cleared his environment is not among the processes of a home.
  if (existsSync(`${group}/cgroup.kill`)) Deno.writeTextFileSync(`${group}/cgroup.kill`, "1");
  await until("its cgroups are removed", () => removeCgroup(group));
}

/** Waits for what must come true; fails when it has not within 20 s. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, false | undefined | null>> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const result = await condition();
    if (result) return result as Exclude<T, false | undefined | null>;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An answer that must come within 10 s; fails where who gives it hangs. */
export async function soon<T>(answer: Promise<T>, what: string): Promise<T> {
  let timer: number | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what} is not answered`)), 10_000);
  });
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** Writes a line into a FIFO without waiting for a reader. */
export function tell(path: string, line: number): void {
  using fifo = Deno.openSync(path, { read: true, write: true });
  fifo.writeSync(new TextEncoder().encode(`${line}\n`));
}

export function shimOf(home: Home, id: number): number {
  return Number(Deno.readTextFileSync(`${home.state}/runs/${id}/claim`).split(" ")[0]);
}

/** Runs, or could again: a process that has ended and not been reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** True when there is none left. */
function killAll(home: Home): boolean {
  const pids = processesOf(home);
  for (const pid of pids) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It ended first.
    }
  }
  return pids.length === 0;
}

export function isKeeper(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`) === "holdfast-keeper\n";
  } catch {
    return false;
  }
}

/**
 * Those that carry the mark; a keeper and its shims, which have no environment but their own and stand in
 * the state directory; and who descends from these.
 */
function processesOf({ directory, state }: Home): number[] {
  const all = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter(Number.isInteger).map(lookAt).filter((one) => one !== undefined);
  const ours = new Set(
    all.filter(({ environment, place }) =>
      environment.includes(`${MARK}=${directory}`) || place === state
    ),
  );
  for (let size = 0; size < ours.size;) {
    size = ours.size;
    const pids = new Set([...ours].map(({ pid }) => pid));
    for (const one of all) if (pids.has(one.parent)) ours.add(one);
  }
  return [...ours].map(({ pid }) => pid);
}

function lookAt(pid: number) {
  try {
    const [state, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/.*\) /s, "").split(
      " ",
    );
    if (state === "Z" || state === "X") return undefined;
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
    const place = Deno.readLinkSync(`/proc/${pid}/cwd`);
    return { pid, parent: Number(parent), environment, place };
  } catch {
    return undefined;
  }
}
