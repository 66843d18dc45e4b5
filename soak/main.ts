/**
 * The soak: two supervisors under random jobs and trouble, one that is killed all the time and one
 * that lives through all of it. At the end every job is accounted for; the first thing that cannot be
 * true ends the run with exit code 1, the seed and the facts. It leaves no process and no file behind.
 *
 *   npm run soak -- --minutes 10 [--seed S]      builds first
 *   HOLDFAST_BIN=… deno run -A soak/main.ts --minutes 10
 *
 * The seed decides what is done, in which order and with which jobs; how fast the machine is, it cannot.
 */

import { parseArgs } from "node:util";
import { COLUMNS, row } from "./figures.ts";
import { Soak } from "./soak.ts";

const USAGE = "usage: npm run soak -- --minutes M [--seed S]";

async function main(): Promise<number> {
  const options = readArguments();
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  const { seconds, seed } = options;
  const interrupted = new Promise<number>((resolve) => {
    Deno.addSignalListener("SIGINT", () => resolve(130));
    Deno.addSignalListener("SIGTERM", () => resolve(143));
    Deno.addSignalListener("SIGHUP", () => resolve(129));
  });
  console.log(`${seconds} s with seed ${seed}\n${row(COLUMNS)}`);
  const common = { seed, seconds, print: (line: string) => console.log(line) };
  const soaks = [
    new Soak({ ...common, name: "killed", restarts: true }),
    new Soak({ ...common, name: "lives on", restarts: false }),
  ];
  try {
    return await Promise.race([interrupted, soakAll(soaks)]);
  } catch (error) {
    console.error(`\nsoak: ${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    for (const soak of soaks) await soak[Symbol.asyncDispose]();
  }
}

async function soakAll(soaks: Soak[]): Promise<number> {
  await Promise.all(soaks.map((soak) => soak.run()));
  for (const { counts, name } of soaks) console.log(`\n${name}:\n${counts.text()}`);
  console.log("\nEvery job is accounted for; nothing is left.");
  return 0;
}

function readArguments(): { seconds: number; seed: string } | undefined {
  try {
    const options = { minutes: { type: "string" }, seed: { type: "string" } } as const;
    const { minutes, seed = String(Date.now() % 1e6) } =
      parseArgs({ args: Deno.args, options }).values;
    const seconds = Number(minutes ?? 1) * 60;
    return seconds > 0 ? { seconds, seed } : undefined;
  } catch {
    return undefined;
  }
}

Deno.exit(await main());
