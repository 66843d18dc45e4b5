/**
 * Where a benchmark takes place: a folder that goes away, with every process that was started in it,
 * however the run ends. Whatever is started here, directly or as a job, has its working directory in
 * the folder; that is how it is found again.
 */

import { join } from "node:path";

export class Scene {
  readonly path = Deno.makeTempDirSync({ prefix: "holdfast-bench-" });

  #isOver = false;

  /** A folder in it, made if it is not there. Throws once the scene is being cleared. */
  folder(...names: string[]): string {
    if (this.#isOver) throw new Error("the benchmark is over");
    const path = join(this.path, ...names);
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Ends what is left and removes the folder. May be called twice. */
  async clear(): Promise<void> {
    this.#isOver = true;
    for (let round = 0; round < 100; round++) {
      const left = processesIn(this.path);
      if (left.length === 0) break;
      for (const pid of left) kill(pid);
      await sleep(20);
    }
    try {
      Deno.removeSync(this.path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
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
