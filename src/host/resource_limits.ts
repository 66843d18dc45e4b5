/** The limit of open files: one is needed for each job and each client. */

import { bytesOf, libc, must } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/** Raises our soft limit to the hard one. Returns the soft limit before, which jobs shall have. */
export function raiseFileLimit(): number {
  const limit = new BigUint64Array(2);
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, null, bytesOf(limit)));
  const before = Number(limit[0]);
  setSoftFileLimit(Number(limit[1]));
  return before;
}

export function setSoftFileLimit(soft: number): void {
  const limit = new BigUint64Array(2);
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, null, bytesOf(limit)));
  limit[0] = BigInt(Math.min(soft, Number(limit[1])));
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, bytesOf(limit), null));
}
