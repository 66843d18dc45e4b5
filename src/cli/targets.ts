/**
 * What an id on the command line stands for: `12` for a job or a whole array, `12_3` for the job of
 * array 12 with index 3. The ids of an array follow each other in the order of its indexes.
 */

import { nameOf, parseArray } from "../job/job_array.ts";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job, Methods } from "../varlink/interface.ts";
import type { TypedId } from "./arguments.ts";
import { EXIT, Failure } from "./failure.ts";
import { idText } from "./job_text.ts";

const PAGE = 1000;

export interface Target {
  /** As it was typed. */
  readonly name: string;
  /** Of an array the first of its jobs that are kept. */
  readonly job: Job;
  /** Whether the whole array is meant. */
  readonly isArray: boolean;
}

export async function find(client: Client, { id, index }: TypedId): Promise<Target> {
  const first = await firstJob(client, id);
  const isArray = first.array?.id === id;
  if (index === undefined) return { name: String(id), job: first, isArray };
  const name = nameOf(id, { id, index });
  if (!isArray) noSuchJob(name, `job ${id} is not an array`);
  const array = parseArray(first.spec.array ?? "");
  const at = typeof array === "string" ? -1 : array.indexes.indexOf(index);
  if (at < 0) noSuchJob(name, `the indexes of array ${id} are ${first.spec.array}`);
  const { job } = await named(name, client.call("Status", { id: id + at }));
  return { name, job, isArray: false };
}

/** Where one job is meant; an array of one job will do. `verb`: what was asked for. */
export async function findOne(client: Client, typed: TypedId, verb: string): Promise<Target> {
  const target = await find(client, typed);
  const { job } = target;
  if (!target.isArray || job.array!.size === 1) return target;
  throw new Failure(
    `job ${target.name} is an array of ${job.array!.size} jobs; one of them is meant: ` +
      `holdfast ${verb} ${idText(job)}`,
    EXIT.usage,
  );
}

/** The job, or all jobs of the array, by index. */
export async function jobsOf(client: Client, { job, isArray }: Target): Promise<Job[]> {
  return isArray ? await listAll(client, { array: job.array!.id, after: job.id - 1 }) : [job];
}

/** All pages of List. */
export async function listAll(client: Client, query: Methods["List"][0]): Promise<Job[]> {
  const jobs: Job[] = [];
  let { after } = query;
  do {
    const page = await client.call("List", { ...query, after, limit: PAGE });
    jobs.push(...page.jobs);
    after = page.next;
  } while (after !== undefined);
  return jobs;
}

/** A refusal tells the job by the name that was typed. */
export async function named<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.parameters.id === undefined) throw error;
    throw new VarlinkError(error.name, { ...error.parameters, id: name });
  }
}

async function firstJob(client: Client, id: number): Promise<Job> {
  try {
    return (await client.call("Status", { id })).job;
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "NoSuchJob") throw error;
    // The first job of an array may have been pruned before the others.
    const { jobs: [job] } = await client.call("List", { array: id, limit: 1 });
    if (job) return job;
    throw error;
  }
}

function noSuchJob(name: string, why: string): never {
  throw new Failure(`there is no job ${name}: ${why}`, EXIT.noSuchJob);
}
