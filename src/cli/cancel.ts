/** holdfast cancel: asks jobs to end. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { withClient } from "./connection.ts";
import { Failure, tell } from "./failure.ts";
import { reportOutcome, tellEach } from "./outcome.ts";
import { find } from "./targets.ts";
import { verb } from "./verb.ts";

export function cancel(): Command {
  const command = verb(
    "cancel",
    "stop jobs: SIGTERM, and SIGKILL to all that is left after the grace period",
  )
    .argument("<id...>", "ids of jobs or arrays", jobIds)
    .action((ids: TypedId[]) =>
      withClient(command, async (client) => {
        const found = ids.map((id) => find(client, id));
        await Promise.allSettled(found);
        // All at once: what one leaves must not let the next one start.
        const replies = found.map(async (target) => {
          const { job, isArray } = await target;
          return { target: await target, reply: await askToEnd(client, job.id, isArray) };
        });
        await tellEach(
          replies,
          ({ target, reply }) => reportOutcome(command, client, target, reply),
        );
      })
    );
  return withExamples(
    command,
    "holdfast cancel 12",
    "holdfast cancel 12 13 && holdfast wait 12 13",
    "holdfast cancel 12_3",
  );
}

/** A job that must end now can be ended without the journal too. */
export async function askToEnd(
  client: Client,
  id: number,
  isArray = false,
): Promise<{ job: Job }> {
  try {
    // Left out where it is not needed: a supervisor before the upgrade does not know it.
    return await client.call("Cancel", { id, array: isArray || undefined });
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "JournalUnavailable") throw error;
    const { message, exitCode } = tell(error);
    throw new Failure(
      `${message}\nholdfast signal ${id} KILL kills it without the journal.`,
      exitCode,
    );
  }
}
