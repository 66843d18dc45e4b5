/** holdfast watch: every transition as it happens. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Event } from "../varlink/interface.ts";
import { count, jobId, type TypedId, withExamples } from "./arguments.ts";
import { globals, withAnyClient } from "./connection.ts";
import { idText } from "./job_text.ts";
import { print, printJson } from "./output.ts";
import { printable } from "./table.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

export function watch(): Command {
  const command = verb("watch", "print what happens to jobs as it happens, through restarts")
    .option("--id <id>", "only of this job or array", jobId)
    .option("--since <sequence>", "begin after this event, 0 for all that are kept", count)
    .action(async ({ id: typed, since }: { id?: TypedId; since?: number }) => {
      let last = since;
      let chosen: Chosen | undefined;
      await withAnyClient(command, async (client) => {
        if (typed) chosen ??= await choose(client, typed);
        for await (const { event } of client.stream("Watch", { id: chosen?.id, since: last })) {
          if (!event) continue;
          last = event.sequence;
          if (chosen && !chosen.names.has(event.id)) continue;
          if (globals(command).json) printJson({ event });
          else print(eventText(event, chosen?.names.get(event.id)));
        }
      });
    });
  return withExamples(
    command,
    "holdfast watch",
    "holdfast watch --id 12",
    "holdfast watch --id 12_3",
    "holdfast watch --since 0 --json",
  );
}

interface Chosen {
  /** For the supervisor to choose by; the jobs of an array are chosen here. */
  readonly id?: number;
  readonly names: ReadonlyMap<number, string>;
}

async function choose(client: Client, typed: TypedId): Promise<Chosen> {
  const target = await find(client, typed);
  const names = new Map((await jobsOf(client, target)).map((job) => [job.id, idText(job)]));
  return { id: target.isArray ? undefined : target.job.id, names };
}

/** `name`: what a person calls the job, where that is not its id. */
export function eventText(event: Event, name?: string): string {
  const { at, id, state, stopping, reason, message } = event;
  const facts = [
    at,
    name ?? String(id),
    state,
    stopping && `(${stopping})`,
    reason,
    message && `: ${message}`,
  ];
  return printable(facts.filter(Boolean).join(" ").replace(" : ", ": "));
}
