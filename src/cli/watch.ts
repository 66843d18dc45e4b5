/** holdfast watch: every transition as it happens. */

import type { Command } from "commander";
import type { Event } from "../varlink/interface.ts";
import { count, jobId, withExamples } from "./arguments.ts";
import { globals, withAnyClient } from "./connection.ts";
import { print, printJson } from "./output.ts";
import { printable } from "./table.ts";
import { verb } from "./verb.ts";

export function watch(): Command {
  const command = verb("watch", "print what happens to jobs as it happens, through restarts")
    .option("--id <id>", "only of this job", jobId)
    .option("--since <sequence>", "begin after this event, 0 for all that are kept", count)
    .action(async ({ id, since }: { id?: number; since?: number }) => {
      let last = since;
      await withAnyClient(command, async (client) => {
        for await (const { event } of client.stream("Watch", { id, since: last })) {
          if (!event) continue;
          last = event.sequence;
          if (globals(command).json) printJson({ event });
          else print(eventText(event));
        }
      });
    });
  return withExamples(
    command,
    "holdfast watch",
    "holdfast watch --id 12",
    "holdfast watch --since 0 --json",
  );
}

export function eventText({ at, id, state, stopping, reason, message }: Event): string {
  const facts = [
    at,
    String(id),
    state,
    stopping && `(${stopping})`,
    reason,
    message && `: ${message}`,
  ];
  return printable(facts.filter(Boolean).join(" ").replace(" : ", ": "));
}
