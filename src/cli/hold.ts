/** holdfast hold and release: keeps queued jobs from starting, and lets them start. */

import type { Command } from "commander";
import { VarlinkError } from "../varlink/client.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { reportOutcome } from "./outcome.ts";
import { find, named } from "./targets.ts";
import { verb } from "./verb.ts";

export function hold(): Command {
  return withExamples(
    holdVerb("hold", "Hold", "keep queued jobs from starting, until release"),
    "holdfast hold 12",
    "holdfast hold 12_3 12_4",
  );
}

export function release(): Command {
  return withExamples(
    holdVerb("release", "Release", "let jobs that are held start"),
    "holdfast release 12",
  );
}

function holdVerb(name: string, method: "Hold" | "Release", description: string): Command {
  const command = verb(name, description)
    .argument("<id...>", "ids of jobs or arrays", jobIds)
    .action((ids: TypedId[]) =>
      withClient(command, async (client) => {
        for (const id of ids) {
          const target = await find(client, id);
          const { job, isArray } = target;
          const call = client.call(method, { id: job.id, array: isArray });
          const reply = await named(target.name, call).catch((error) => {
            if (
              !isArray || !(error instanceof VarlinkError) || error.name !== "NotQueued"
            ) throw error;
            throw new Failure(`no job of array ${target.name} is queued any more`, EXIT.refused);
          });
          await reportOutcome(command, client, target, reply);
        }
      })
    );
  return command;
}
