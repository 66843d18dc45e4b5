/** The limit of open files: one is needed for each job and each client. */

import { bytesOf, libc, must } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/** `soft`: what jobs shall have. */
export interface FileLimit {
  readonly soft: number;
  readonly hard: bigint;
}

/** Raises our soft limit to the hard one. Returns what it was before. */
export function raiseFileLimit(): FileLimit {
  const limit = new BigUint64Array(2);
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, null, bytesOf(limit)));
  const [soft, hard] = [Number(limit[0]), limit[1]!];
  setSoftFileLimit(Number(hard));
  return { soft, hard };
}

export function setSoftFileLimit(soft: number): void {
  const limit = new BigUint64Array(2);
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, null, bytesOf(limit)));
  limit[0] = BigInt(Math.min(soft, Number(limit[1])));
  must("prlimit", libc.prlimit(0, RLIMIT_NOFILE, bytesOf(limit), null));
}
