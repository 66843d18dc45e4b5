/**
 * Where a benchmark takes place: a folder that goes away, with every process that was started in it,
 * however the run ends. Whatever is started here, directly or as a job, has its working directory in
 * the folder; that is how it is found again.
 */

import { resolve } from "node:path";

export class Scene {
  readonly path = Deno.makeTempDirSync({ prefix: "holdfast-bench-" });
  /** A folder in memory; undefined where there is none. */
  readonly tmpfs = folderInMemory();

  #isOver = false;

  get #folders(): string[] {
    return [this.path, ...this.tmpfs === undefined ? [] : [this.tmpfs]];
  }

  /** A folder in it, or of a whole path, made if it is not there. Throws once the scene is being cleared. */
  folder(...names: string[]): string {
    if (this.#isOver) throw new Error("the benchmark is over");
    const path = resolve(this.path, ...names);
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Ends what is left and removes the folder. May be called twice. */
  async clear(): Promise<void> {
    this.#isOver = true;
    for (let round = 0; round < 100; round++) {
      const left = this.#folders.flatMap(processesIn);
      if (left.length === 0) break;
      for (const pid of left) kill(pid);
      await sleep(20);
    }
    for (const folder of this.#folders) {
      try {
        Deno.removeSync(folder, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

function folderInMemory(): string | undefined {
  try {
    return Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "holdfast-bench-" });
  } catch {
    return undefined;
  }
}

/** Processes whose working directory is this folder or below it. */
export function processesIn(folder: string): number[] {
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    try {
      const place = Deno.readLinkSync(`/proc/${pid}/cwd`);
      if (place === folder || place.startsWith(`${folder}/`)) pids.push(pid);
    } catch {
      // It has ended, or is not ours.
    }
  }
  return pids;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs a program to its end. Throws when it fails. Returns the ms that it took. */
export async function run(program: string, args: string[], options: RunOptions): Promise<number> {
  const { cwd, env } = options;
  const began = performance.now();
  const { success, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const took = performance.now() - began;
  if (!success) throw new Error(`${program} has failed: ${new TextDecoder().decode(stderr)}`);
  return took;
}

interface RunOptions {
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
