/** What room the disk of the state directory has, and the ballast: a file that holds some of it. */

import type { Space } from "../ports.ts";
import { cString, libc, must, O_CLOEXEC, O_CREAT, O_RDWR } from "./libc.ts";

const STATFS_BYTES = 256;

/** Undefined when the two are not on one disk. */
export function spaceOf(state: string, runs: string): Space | undefined {
  if (Deno.statSync(state).dev !== Deno.statSync(runs).dev) return undefined;
  const found = new BigUint64Array(STATFS_BYTES / 8);
  const bytes = new Uint8Array(found.buffer);
  must(`statfs ${state}`, libc.statfs(cString(state), bytes));
  // struct statfs, where a word has 64 bits: f_type, f_bsize, f_blocks, f_bfree, f_bavail
  const [, block, blocks, , available] = found;
  return { free: Number(block! * available!), total: Number(block! * blocks!) };
}

export class Ballast {
  constructor(private readonly path: string) {}

  /** Where the disk cannot allocate, there is none. Throws SystemError when it has no room. */
  take(bytes: number): void {
    const flags = O_RDWR | O_CREAT | O_CLOEXEC;
    const fd = must(`open ${this.path}`, libc.open(cString(this.path), flags, 0o600));
    try {
      must(`fallocate ${this.path}`, libc.fallocate(fd, 0, 0n, BigInt(bytes)));
      must(`ftruncate ${this.path}`, libc.ftruncate(fd, BigInt(bytes)));
    } catch (error) {
      this.give();
      throw error;
    } finally {
      libc.close(fd);
    }
  }

  give(): boolean {
    try {
      Deno.removeSync(this.path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }
}
