/** Who descends from one process, by the kernel's own lists; and the end of its children. */

import type { ProcessIdentity } from "../job/identity.ts";
import { checkIdentity } from "../job/identity.ts";
import { SIGKILL } from "../ports.ts";
import { libc, SystemError } from "./libc.ts";
import { openPidfd, sendByPidfd } from "./pidfd.ts";
import { observe, parentOf, readLiving } from "./proc.ts";
import { readSmallFile } from "./small_file.ts";

/** Nobody waits longer for it; what is left then is found by the next look. */
const LONGEST_MS = 5;

/**
 * SIGKILL to all children of a process of one thread that is a subreaper, again and again until it has
 * none or some ms have passed: what a killed one leaves behind becomes its child. Each is held by a
 * pidfd before it is seen to be a child, so nobody else can be hit.
 */
export function killChildren(parent: ProcessIdentity): void {
  const until = performance.now() + LONGEST_MS;
  do {
    if (checkIdentity(parent, observe(parent.pid)) !== "match") return;
    const children = childrenOf(parent.pid);
    if (children.length === 0) return;
    for (const pid of children) killChild(pid, parent);
  } while (performance.now() < until);
}

function killChild(pid: number, parent: ProcessIdentity): void {
  const fd = openPidfd(pid);
  if (fd === undefined) return;
  try {
    const isChild = parentOf(pid) === parent.pid &&
      checkIdentity(parent, observe(parent.pid)) === "match";
    if (isChild) sendByPidfd(fd, SIGKILL);
  } finally {
    libc.close(fd);
  }
}

/**
 * Everything that lives below a process. Undefined when that is gone, or where the kernel does not list
 * children. Each is seen to be the child of one that is there before and after: nobody else's is taken.
 */
export function descendantsOf(top: ProcessIdentity): ProcessIdentity[] | undefined {
  if (!listsChildren()) return undefined;
  const found = new Map<number, ProcessIdentity>();
  const parents: (ProcessIdentity & { threads: number })[] = [{ ...top, threads: 1 }];
  for (const parent of parents) {
    const children = childrenOf(parent.pid, parent.threads)
      .filter((pid) => !found.has(pid))
      .map((pid) => readLiving(pid))
      .filter((child) => child?.parent === parent.pid);
    if (checkIdentity(parent, observe(parent.pid)) !== "match") {
      if (found.size === 0) return undefined;
      // They are another's children by now, and found there the next time.
      continue;
    }
    for (const child of children) {
      const { pid, startTicks } = child!;
      found.set(pid, { pid, startTicks });
      parents.push(child!);
    }
  }
  return [...found.values()];
}

/** CONFIG_PROC_CHILDREN, proc(5) */
let isListed: boolean | undefined;
function listsChildren(): boolean {
  return isListed ??= readSmallFile(`/proc/self/task/${Deno.pid}/children`) !== undefined;
}

/** None where the kernel does not list them: a thread's own are those that it has forked. */
function childrenOf(pid: number, threads = 1): number[] {
  const tasks = threads === 1 ? [String(pid)] : tasksOf(pid);
  return tasks.flatMap((task) => {
    try {
      const text = readSmallFile(`/proc/${pid}/task/${task}/children`) ?? "";
      return text.split(" ").filter(Boolean).map(Number);
    } catch (error) {
      if (error instanceof SystemError) return [];
      throw error;
    }
  });
}

function tasksOf(pid: number): string[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  } catch {
    // It has ended.
    return [];
  }
}
