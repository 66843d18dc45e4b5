/** holdfast hold and release: keeps queued jobs from starting, and lets them start. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { changeJobs } from "./several.ts";
import { jobsOf, type Target } from "./targets.ts";
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
        noting: method === "Release" ? notingRelease : undefined,
      })
    );
  return command;
}

/** Why it has not started: a release alone may not be all that it waited for. */
async function notingRelease(client: Client, target: Target): Promise<() => Promise<string>> {
  const before = await jobsOf(client, target);
  const wasHeld = before.some(({ held }) => held);
  return async () => {
    const first = (await jobsOf(client, target)).find(({ state }) => state === "QUEUED");
    const { job } = await client.call("Status", { id: (first ?? target.job).id });
    const waiting = job.state === "QUEUED" && job.waiting;
    const facts = [
      !wasHeld && (target.isArray ? "none of it was held" : "it was not held"),
      waiting && waitingText(waiting),
    ];
    return facts.filter(Boolean).join("; ");
  };
}

/** `waits for its release`; what is a sentence of its own stands behind a colon. */
function waitingText(waiting: string): string {
  return `waits for${/ (is|runs|does|can|needs) /.test(waiting) ? ":" : ""} ${waiting}`;
}
