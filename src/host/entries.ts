/**
 * Makes and removes entries of directories: by the C library directly, since each job has some, and the
 * runtime takes several times as long for one.
 */

import { cString, errno, lastErrno, libc, SystemError } from "./libc.ts";

/** False when it is there already. Throws SystemError. */
export function makeDirectory(path: string, mode: number): boolean {
  if (libc.mkdir(cString(path), mode) === 0) return true;
  const code = lastErrno();
  if (code === errno.EEXIST) return false;
  throw new SystemError(`mkdir ${path}`, code);
}

/** What is not there is removed already. Throws SystemError. */
export function removeFile(path: string): void {
  if (libc.unlink(cString(path)) === 0) return;
  const code = lastErrno();
  if (code !== errno.ENOENT) throw new SystemError(`unlink ${path}`, code);
}

/** False when something is in it. What is not there is removed already. Throws SystemError. */
export function removeDirectory(path: string): boolean {
  if (libc.rmdir(cString(path)) === 0) return true;
  const code = lastErrno();
  if (code === errno.ENOENT) return true;
  if (code === errno.EBUSY || code === errno.ENOTEMPTY) return false;
  throw new SystemError(`rmdir ${path}`, code);
}
