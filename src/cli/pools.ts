/** holdfast pools, set-pool, remove-pool, pause-pool and resume-pool: limits of concurrent jobs. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Pool } from "../varlink/interface.ts";
import { poolLimit, poolName, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { print, printJson, report, width } from "./output.ts";
import { layOut } from "./table.ts";
import { verb } from "./verb.ts";

export function pools(): Command {
  const command = verb("pools", "list the pools and how many of their jobs run and wait")
    .action(async () => {
      const reply = await withClient(command, (client) => client.call("Pools", {}));
      if (globals(command).json) return printJson(reply);
      const byName = reply.pools.toSorted((a, b) => a.name < b.name ? -1 : 1);
      const rows = byName.map((pool) => [
        pool.name,
        limitText(pool),
        String(pool.running),
        String(pool.queued),
        pool.paused ? "paused" : "open",
      ]);
      const head = ["POOL", "LIMIT", "RUNNING", "QUEUED", "STATE"];
      for (const line of layOut(head, rows, { width: width() })) print(line);
    });
  return withExamples(command, "holdfast pools");
}

export function setPool(): Command {
  const command = verb("set-pool", "make a pool, or change its limit")
    .argument("<name>", "its name", poolName)
    .option(
      "--limit <n>",
      "jobs of it that run at once, 0 or none for no limit (default: as it is, none for a new one)",
      poolLimit,
    )
    .action((name: string, { limit }: { limit?: number }) =>
      withClient(
        command,
        async (client) => reportPool(command, await client.call("SetPool", { name, limit })),
      )
    );
  return withExamples(
    command,
    "holdfast set-pool gpu --limit 2",
    "holdfast submit --pool gpu ./train.sh",
    "holdfast set-pool gpu --limit none",
  );
}

export function removePool(): Command {
  const command = verb("remove-pool", "remove a pool; all its jobs must have ended")
    .argument("<name>", "its name", poolName)
    .action((name: string) =>
      withClient(command, async (client) => {
        const reply = await client.call("RemovePool", { name });
        const done = `pool ${name} was removed`;
        report(done, () => globals(command).json ? printJson(reply) : print(done));
      })
    );
  return withExamples(command, "holdfast remove-pool gpu");
}

export function pausePool(): Command {
  return pauseVerb("pause-pool", "start no more jobs of a pool; running ones go on", true);
}

export function resumePool(): Command {
  return pauseVerb("resume-pool", "start the jobs of a paused pool again", false);
}

function pauseVerb(verbName: string, description: string, paused: boolean): Command {
  const command = verb(verbName, description)
    .argument("<name>", "its name", poolName)
    .action((name: string) =>
      withClient(command, async (client) => {
        await mustExist(client, name);
        reportPool(command, await client.call("SetPool", { name, paused }));
      })
    );
  return withExamples(command, `holdfast ${verbName} gpu`);
}

/** SetPool would make a pool of a name that was mistyped. */
async function mustExist(client: Client, name: string): Promise<void> {
  const { pools } = await client.call("Pools", {});
  if (!pools.some((pool) => pool.name === name)) throw new VarlinkError("NoSuchPool", { name });
}

function reportPool(command: Command, reply: { pool: Pool }): void {
  const { pool } = reply;
  const text = `pool ${pool.name}: limit ${limitText(pool)}${pool.paused ? ", paused" : ""}`;
  report(text, () => globals(command).json ? printJson(reply) : print(text));
}

function limitText({ limit }: Pool): string {
  return limit === undefined ? "none" : String(limit);
}
