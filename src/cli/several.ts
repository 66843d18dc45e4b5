/**
 * A verb for several jobs: one change of all of them. What has become of each is told, and of what could
 * not be done why not, with the exit code of the worst.
 */

import type { Command } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Changed, Job, Named, Outcome } from "../varlink/interface.ts";
import { arrayText, countsText } from "./array_text.ts";
import type { TypedId } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { AlreadyTold, EXIT, Failure, tell } from "./failure.ts";
import { stateText } from "./job_text.ts";
import { reportOutcome } from "./outcome.ts";
import { complain, print, printJson, report } from "./output.ts";
import { find, named, type Target } from "./targets.ts";

interface Deed {
  readonly ask: (client: Client, jobs: Named) => Promise<Changed>;
  /** What is told of an array that has no job to which it could be done. */
  readonly noneOf: (array: string) => string;
  /** Whether nothing is printed of what was done. */
  readonly isSilent?: boolean;
  /** Asked before it is done: what tells afterwards what else is to be said of it, "" for nothing. */
  readonly noting?: (client: Client, target: Target) => Promise<() => Promise<string>>;
}

/** Errors for which nothing was done to a job of an array, which does not matter if it was to others. */
const NOTHING_TO_DO = ["NotQueued", "NotRunning", "JobEnded", "NoSuchJob"];

export async function changeJobs(
  command: Command,
  ids: readonly TypedId[],
  deed: Deed,
): Promise<void> {
  await withClient(command, async (client) => {
    const [only, ...others] = ids as [TypedId, ...TypedId[]];
    if (others.length === 0) await changeOne(command, client, await find(client, only), deed);
    else await changeAll(command, client, ids, deed);
  });
}

async function changeOne(
  command: Command,
  client: Client,
  target: Target,
  { ask, noneOf, isSilent, noting }: Deed,
): Promise<void> {
  const { job, isArray, name } = target;
  const note = await noting?.(client, target);
  try {
    // Left out where it is not needed: a supervisor before the upgrade may not know it.
    const reply = await named(name, ask(client, { id: job.id, array: isArray || undefined }));
    if (!isSilent) await reportOutcome(command, client, target, reply, await note?.());
    else if (globals(command).json) report("it was done", () => printJson(reply));
  } catch (error) {
    const isNone = isArray && error instanceof VarlinkError && NOTHING_TO_DO.includes(error.name);
    throw isNone ? new Failure(noneOf(name), EXIT.refused) : error;
  }
}

async function changeAll(
  command: Command,
  client: Client,
  ids: readonly TypedId[],
  { ask, noneOf, isSilent, noting }: Deed,
): Promise<void> {
  const found = await Promise.allSettled(ids.map((id) => find(client, id)));
  const targets = found.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  const results = new Map<Target, Result>();
  if (targets.length > 0) {
    const asked = await Promise.all(targets.map((target) => noting?.(client, target)));
    const reply = await ask(client, { ids: [...new Set(targets.flatMap(idsOf))] });
    const outcomes = new Map(reply.outcomes!.map((outcome) => [outcome.id, outcome]));
    const notes = await Promise.all(asked.map((note) => note?.()));
    targets.forEach((target, i) => results.set(target, new Result(target, outcomes, notes[i])));
    report("it was done", () => {
      if (globals(command).json) return printJson(reply);
      if (isSilent) return;
      for (const result of results.values()) for (const line of result.lines) print(line);
    });
  }
  // In the order in which they were typed.
  const failures = found.map((each) =>
    each.status === "rejected" ? each.reason : results.get(each.value)!.failure(noneOf)
  );
  const told = failures.filter((failure) => failure !== undefined).map(tell);
  for (const { message } of told) complain(message);
  if (told.length > 0) throw new AlreadyTold(Math.max(...told.map(({ exitCode }) => exitCode)));
}

/** The ids of an array follow each other. */
function idsOf({ job: { id, array }, isArray }: Target): number[] {
  if (!isArray || !array) return [id];
  return Array.from({ length: array.size }, (_, at) => array.id + at);
}

/** What has become of one of those that were typed. */
class Result {
  readonly #done: Outcome[];
  readonly #refused: Outcome[];

  constructor(
    private readonly target: Target,
    outcomes: ReadonlyMap<number, Outcome>,
    private readonly note = "",
  ) {
    const all = idsOf(target).map((id) => outcomes.get(id)!);
    this.#done = all.filter(({ error }) => !error);
    this.#refused = all.filter(({ error }) => error);
  }

  /** One, where anything was done. */
  get lines(): string[] {
    const { job, name, isArray } = this.target;
    const jobs = this.#done.map(({ state, stopping, held }): Job => {
      return { ...job, state: state!, stopping, held };
    });
    if (jobs.length === 0) return [];
    const text = isArray
      ? `${arrayText(job)} ${countsText(jobs)}`
      : `${name} ${stateText(jobs[0]!)}`;
    return [this.note === "" ? text : `${text}, ${this.note}`];
  }

  /** Undefined where anything was done. */
  failure(noneOf: Deed["noneOf"]): Error | undefined {
    const { name, isArray } = this.target;
    const [refused] = this.#refused;
    if (this.#done.length > 0 || !refused) return undefined;
    if (isArray) return new Failure(noneOf(name), EXIT.refused);
    return new VarlinkError(refused.error!, { ...refused, id: name });
  }
}
