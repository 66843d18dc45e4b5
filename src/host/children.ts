/** Ends the children of one process, which may fork as fast as they are killed. */

import type { ProcessIdentity } from "../job/identity.ts";
import { checkIdentity } from "../job/identity.ts";
import { SIGKILL } from "../ports.ts";
import { libc, SystemError } from "./libc.ts";
import { openPidfd, sendByPidfd } from "./pidfd.ts";
import { observe, parentOf } from "./proc.ts";
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

/** None where the kernel does not list them (CONFIG_PROC_CHILDREN, proc(5)). */
function childrenOf(pid: number): number[] {
  try {
    const text = readSmallFile(`/proc/${pid}/task/${pid}/children`) ?? "";
    return text.split(" ").filter(Boolean).map(Number);
  } catch (error) {
    if (error instanceof SystemError) return [];
    throw error;
  }
}
