/**
 * Refuses a job that could not start, before it is handed over: only where the supervisor would find
 * the same, and has not got the job already.
 */

import type { Command } from "commander";
import { userInfo } from "node:os";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Spec } from "../varlink/interface.ts";
import { socketOf, withClient } from "./connection.ts";
import { cannotRun } from "./lookup.ts";
import { listAll } from "./targets.ts";
import { listensAt } from "./upgrade.ts";

/** Throws InvalidJob. Blocks as long as the file systems that the job names. */
export async function refuseUnrunnable(command: Command, spec: Spec): Promise<void> {
  // What the jobs before it will make cannot be looked for now, nor with another's rights.
  if (command.opts().after !== undefined || spec.after?.length) return;
  if (spec.user !== undefined && spec.user !== userInfo().username) return;
  const problem = cannotRun(spec);
  if (!problem) return;
  await withClient(command, async (client) => {
    if (await hasKey(client, spec.key) || !await seesTheSame(client, socketOf(command))) return;
    throw new VarlinkError("InvalidJob", { ...problem });
  });
}

/** Asked again by its key, a request has its answer whatever has become of its files. */
async function hasKey(client: Client, key: string | undefined): Promise<boolean> {
  if (key === undefined) return false;
  return (await listAll(client, {})).some(({ spec }) => spec.key === key);
}

/** Whether the supervisor is of our user, root directory and mounts: false where that is not certain. */
async function seesTheSame(client: Client, socket: string): Promise<boolean> {
  const { node: { pid } } = await client.call("Node", {});
  try {
    if (!listensAt(pid, socket) || Deno.statSync(`/proc/${pid}`).uid !== Deno.uid()) return false;
    const [theirs, ours] = [pid, "self"].map((who) => {
      const { dev, ino } = Deno.statSync(`/proc/${who}/root/.`);
      return `${Deno.readLinkSync(`/proc/${who}/ns/mnt`)} ${dev} ${ino}`;
    });
    return theirs === ours;
  } catch {
    return false;
  }
}
