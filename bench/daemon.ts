/** One supervisor under test, and what its own /proc says of its memory. */

import { resolve } from "node:path";
import { Client } from "../src/varlink/client.ts";
import type { NodeStatus } from "../src/varlink/interface.ts";
import { type Scene, sleep } from "./scene.ts";

export const BINARY = resolve(
  Deno.env.get("HOLDFAST_BIN") ?? `${import.meta.dirname}/../dist/holdfast`,
);
/** Of another version, to compare with. */
export const BEFORE = Deno.env.get("HOLDFAST_BEFORE");
const START_LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 1;

export class Daemon {
  private constructor(
    private readonly child: Deno.ChildProcess,
    readonly client: Client,
    readonly folder: string,
    /** From the spawn of its process until it has answered. */
    readonly startedInMs: number,
  ) {}

  /** In a folder of its own; a second start in the same one finds the journal of the first. */
  static async start(
    scene: Scene,
    name: string,
    cpus: number,
    binary = BINARY,
    flags: readonly string[] = [],
  ): Promise<Daemon> {
    const folder = scene.folder(name);
    const began = performance.now();
    const child = new Deno.Command(binary, {
      args: [
        "daemon",
        "--state-dir",
        folder,
        "--runtime-dir",
        folder,
        "--cpus",
        String(cpus),
        ...flags,
      ],
      cwd: folder,
      env: { PATH: Deno.env.get("PATH") ?? "", LOG_LEVEL: "error" },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    for (;;) {
      try {
        const client = await Client.connect(`${folder}/control.sock`);
        await client.call("Node", {});
        return new Daemon(child, client, folder, performance.now() - began);
      } catch (error) {
        if (performance.now() - began > START_LIMIT_MS) throw error;
        await sleep(LOOK_EVERY_MS);
      }
    }
  }

  get pid(): number {
    return this.child.pid;
  }

  get socket(): string {
    return `${this.folder}/control.sock`;
  }

  async node(): Promise<NodeStatus> {
    return (await this.client.call("Node", {})).node;
  }

  /** Looks at the node every few ms until it is as wished. */
  async until(isSo: (node: NodeStatus) => boolean): Promise<void> {
    while (!isSo(await this.node())) await sleep(10);
  }

  /** Its jobs stay: the next supervisor or the end of the scene finds them. */
  async stop(): Promise<void> {
    this.client.close();
    this.child.kill("SIGTERM");
    await this.child.status;
  }
}

export interface Memory {
  /** bytes */
  readonly rss: number;
  readonly pss: number;
}

export function memoryOf(pid: number): Memory {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const of = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)![1]) * 1024;
  return { rss: of("Rss"), pss: of("Pss") };
}
