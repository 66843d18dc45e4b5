/**
 * Makes and removes entries of directories: by the C library directly, since each job has some and the
 * runtime takes several times as long for one. Where that fails the runtime does it again, to say why:
 * it may have changed errno before that can be read.
 */

import { cString, libc } from "./libc.ts";

/** False when it is there already. */
export function makeDirectory(path: string, mode: number): boolean {
  if (libc.mkdir(cString(path), mode) === 0) return true;
  try {
    Deno.mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** What is not there is removed already. */
export function removeFile(path: string): void {
  if (libc.unlink(cString(path)) === 0) return;
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** False when it cannot be removed, as while something is in it. What is not there is removed already. */
export function removeDirectory(path: string): boolean {
  if (libc.rmdir(cString(path)) === 0) return true;
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
