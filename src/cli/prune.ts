/** holdfast prune: forgets ended jobs and removes their logs. */

import type { Command } from "commander";
import { duration, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { print, printJson, report } from "./output.ts";
import { verb } from "./verb.ts";

const MAY_BE_OLD = "that so much time has passed is not certain until the node has run for a day";

export function prune(): Command {
  const command = verb("prune", "forget ended jobs and remove their logs")
    .option(
      "--older-than <duration>",
      "only those that ended longer ago (default: the retention)",
      duration,
    )
    .action(async ({ olderThan }: { olderThan?: number }) => {
      const reply = await withClient(command, (client) => client.call("Prune", { olderThan }));
      const { kept } = reply;
      const removed = `${reply.removed} jobs removed`;
      report(removed, () => {
        if (globals(command).json) printJson(reply);
        else print(kept === undefined ? removed : `${removed}, ${kept} kept: ${MAY_BE_OLD}`);
      });
    });
  return withExamples(command, "holdfast prune", "holdfast prune --older-than 2h");
}
