/** holdfast watch: every transition as it happens; of a job or an array until it has ended. */

import type { Command } from "commander";
import type { Client } from "../varlink/client.ts";
import type { Event, State } from "../varlink/interface.ts";
import { count, jobId, type TypedId, withExamples } from "./arguments.ts";
import { globals, withAnyClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { idText } from "./job_text.ts";
import { LIVE } from "./list.ts";
import { print, printJson } from "./output.ts";
import { printable } from "./table.ts";
import { find, jobsOf } from "./targets.ts";
import { verb } from "./verb.ts";

interface Options {
  readonly id?: TypedId;
  readonly since?: number;
}

export function watch(): Command {
  const command = verb("watch", "print what happens to jobs as it happens, through restarts")
    .argument("[id]", "only this job or array, until it has ended", jobId)
    .option("--id <id>", "the same", jobId)
    .option("--since <sequence>", "begin after this event, 0 for all that are kept", count)
    .action(async (typed: TypedId | undefined, { id, since }: Options) => {
      if (typed && id) throw new Failure("the id is given twice; give it once", EXIT.usage);
      const chosen = typed ?? id;
      const show = (event: Event, name?: string) =>
        globals(command).json ? printJson({ event }) : print(eventText(event, name));
      await (chosen ? watchOne(command, chosen, since, show) : watchAll(command, since, show));
    });
  return withExamples(
    command,
    "holdfast watch",
    "holdfast watch 12",
    "holdfast watch 12_3",
    "holdfast watch --since 0 --json",
  );
}

type Show = (event: Event, name?: string) => void;

async function watchAll(command: Command, since: number | undefined, show: Show): Promise<void> {
  let last = since;
  await withAnyClient(command, async (client) => {
    for await (const { event } of client.stream("Watch", { since: last })) {
      if (!event) continue;
      last = event.sequence;
      show(event);
    }
  });
}

async function watchOne(
  command: Command,
  typed: TypedId,
  since: number | undefined,
  show: Show,
): Promise<void> {
  let chosen: Chosen | undefined;
  await withAnyClient(command, async (client) => {
    if (!chosen) {
      chosen = await choose(client, typed, since);
      for (const event of chosen.ends) show(event, chosen.names.get(event.id));
    }
    const { id, names, open, passed } = chosen;
    if (open.size === 0) return;
    for await (const { event } of client.stream("Watch", { id, since: chosen.since })) {
      if (!event) continue;
      chosen.since = event.sequence;
      if (!names.has(event.id) || event.sequence <= (passed.get(event.id) ?? 0)) continue;
      show(event, names.get(event.id));
      if (isEnd(event.state)) open.delete(event.id);
      if (open.size === 0) return;
    }
  });
}

interface Chosen {
  /** For the supervisor to choose by; the jobs of an array are chosen here. */
  readonly id?: number;
  readonly names: ReadonlyMap<number, string>;
  /** Those whose end is still to be shown. */
  readonly open: Set<number>;
  /** The ends that have been already, where only what is to come was asked for. */
  readonly ends: readonly Event[];
  /** By job, the sequence up to which nothing is shown. */
  readonly passed: ReadonlyMap<number, number>;
  /** The sequence after which to go on. */
  since?: number;
}

/** Begins where each job's own history ends: nothing that happens meanwhile is missed. */
async function choose(client: Client, typed: TypedId, since?: number): Promise<Chosen> {
  const target = await find(client, typed);
  const jobs = await jobsOf(client, target);
  const last: Event[] = [];
  for (const { id } of jobs) {
    const { events } = await client.call("History", { id });
    if (events.length > 0) last.push(events.at(-1)!);
  }
  const isOpen = ({ state, sequence }: Event) => !isEnd(state) || sequence > (since ?? Infinity);
  const open = last.filter(isOpen);
  return {
    id: target.isArray ? undefined : target.job.id,
    names: new Map(jobs.map((job) => [job.id, idText(job)])),
    open: new Set(open.map(({ id }) => id)),
    ends: since === undefined ? last.filter((event) => !isOpen(event)).sort(bySequence) : [],
    passed: new Map(since === undefined ? last.map(({ id, sequence }) => [id, sequence]) : []),
    since: since ?? (open.sort(bySequence)[0]?.sequence),
  };
}

function bySequence(a: Event, b: Event): number {
  return a.sequence - b.sequence;
}

function isEnd(state: State): boolean {
  return !LIVE.includes(state);
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
