/** holdfast hold and release: keeps queued jobs from starting, and lets them start. */

import type { Command } from "commander";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { changeJobs } from "./several.ts";
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
      changeJobs(command, ids, {
        ask: (client, jobs) => client.call(method, jobs),
        noneOf: (array) => `no job of array ${array} is queued any more`,
      })
    );
  return command;
}
