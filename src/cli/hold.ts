/** holdfast hold and release: keeps queued jobs from starting, and lets them start. */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job } from "../varlink/interface.ts";
import { jobIds, type TypedId, withExamples } from "./arguments.ts";
import { withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { reportOutcome, tellEach } from "./outcome.ts";
import { find, jobsOf, named, type Target } from "./targets.ts";
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
        const targets = ids.map((id) => find(client, id));
        await tellEach(targets, async (target) => {
          const { job, isArray } = target;
          const before = method === "Release" ? await jobsOf(client, target) : [];
          const call = client.call(method, { id: job.id, array: isArray });
          const reply = await named(target.name, call).catch((error) => {
            if (
              !isArray || !(error instanceof VarlinkError) || error.name !== "NotQueued"
            ) throw error;
            throw new Failure(`no job of array ${target.name} is queued any more`, EXIT.refused);
          });
          if (method === "Hold") return await reportOutcome(command, client, target, reply);
          const now = await released(client, target, before);
          await reportOutcome(command, client, target, now.reply, now.note);
        });
      })
    );
  return command;
}

/** How it is now, and why it has not started: a release alone may not be all that it waited for. */
async function released(
  client: Client,
  target: Target,
  before: readonly Job[],
): Promise<{ reply: { job: Job }; note: string }> {
  const first = (await jobsOf(client, target)).find(({ state }) => state === "QUEUED");
  const reply = await client.call("Status", { id: (first ?? target.job).id });
  const { job } = reply;
  const waiting = job.state === "QUEUED" && job.waiting;
  const facts = [
    !before.some(({ held }) => held) &&
    (target.isArray ? "none of it was held" : "it was not held"),
    waiting && waitingText(waiting),
  ];
  return { reply, note: facts.filter(Boolean).join("; ") };
}

/** `waits for its release`; what is a sentence of its own stands behind a colon. */
function waitingText(waiting: string): string {
  return `waits for${/ (is|runs|does|can|needs) /.test(waiting) ? ":" : ""} ${waiting}`;
}
