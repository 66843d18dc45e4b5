/**
 * Finds the living processes of jobs by what they carry: HOLDFAST_JOB_ID and HOLDFAST_TOKEN in their
 * environment, and something that ties them to one state directory, since another supervisor's jobs
 * carry these too. It only looks.
 */

import type { JobProcess } from "../ports.ts";
import { SystemError } from "./libc.ts";
import { livingProcesses } from "./proc.ts";
import { readSmallFile } from "./small_file.ts";

/** All of one token are the state directory's when one of them is. `skip`: pids that are known. */
export function jobProcesses(
  stateDirectory: string,
  skip: ReadonlySet<number> = new Set(),
): JobProcess[] {
  const state = Deno.realPathSync(stateDirectory);
  const found: (JobProcess & { readonly isTied: boolean })[] = [];
  for (const { pid, startTicks, session, token } of livingProcesses()) {
    if (token === undefined || skip.has(pid)) continue;
    const environment = Object.fromEntries(words(pid, "environ").map(pair));
    const job = Number(environment.HOLDFAST_JOB_ID);
    if (!Number.isSafeInteger(job)) continue;
    const directory = link(pid, "cwd");
    const isTied = directory === state ||
      ["fd/1", "fd/2"].some((name) => link(pid, name)?.startsWith(`${state}/runs/`));
    const command = words(pid, "cmdline");
    found.push({ pid, startTicks, job, token, session, command, directory, environment, isTied });
  }
  const tied = new Set(found.filter(({ isTied }) => isTied).map(({ token }) => token));
  return found.filter(({ token }) => tied.has(token));
}

function words(pid: number, file: "environ" | "cmdline"): string[] {
  try {
    return (readSmallFile(`/proc/${pid}/${file}`) ?? "").replace(/\0$/, "").split("\0");
  } catch (error) {
    // It is another user's, and so no process of ours.
    if (error instanceof SystemError) return [];
    throw error;
  }
}

function pair(variable: string): [string, string] {
  const at = variable.indexOf("=");
  return [variable.slice(0, at), variable.slice(at + 1)];
}

function link(pid: number, name: string): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/${name}`).replace(/ \(deleted\)$/, "");
  } catch {
    return undefined;
  }
}
