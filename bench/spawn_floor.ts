/** The floor of every supervisor: a command spawned and waited for, so many at a time, and nothing else. */

import { runToEnd } from "../src/host/posix_spawn.ts";

/** Returns the ms that all of them took together. Each slot is a process of its own. */
export async function benchFloor(command: string, count: number, slots: number): Promise<number> {
  const spawners = Array.from({ length: slots }, () =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", import.meta.filename!, command, String(count / slots)],
      stdin: "piped",
      stdout: "piped",
    }).spawn());
  const readers = spawners.map(({ stdout }) => stdout.getReader());
  await Promise.all(readers.map((reader) => reader.read()));
  const began = performance.now();
  await Promise.all(spawners.map(({ stdin }) => stdin.close()));
  await Promise.all(readers.map((reader) => reader.read()));
  const took = performance.now() - began;
  await Promise.all(readers.map((reader) => reader.cancel()));
  await Promise.all(spawners.map(({ status }) => status));
  return took;
}

async function spawnAll(command: string, count: number): Promise<void> {
  const tell = () => Deno.stdout.write(new TextEncoder().encode("\n"));
  await tell();
  await Deno.stdin.read(new Uint8Array(1));
  for (let i = 0; i < count; i++) {
    const status = runToEnd(command, [command]);
    if (status !== 0) throw new Error(`${command} ended with ${status}`);
  }
  await tell();
}

if (import.meta.main) await spawnAll(Deno.args[0]!, Number(Deno.args[1]));
