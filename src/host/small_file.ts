/**
 * Reads small files whole, as those of /proc and of runs, and writes into those of cgroups. It goes to
 * the C library directly: most looks are for files that are not there yet, and the runtime makes a
 * costly error of each.
 */

import { cString, errno, lastErrno, libc, must, O_CLOEXEC, SystemError } from "./libc.ts";

const O_RDONLY = 0, O_WRONLY = 1;
const decoder = new TextDecoder();
let buffer = new Uint8Array(8192);

/** Undefined when it does not exist, or has ended while it was read. Throws SystemError. */
export function readSmallFile(path: string): string | undefined {
  const fd = libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return absentElseThrow(`open ${path}`);
  try {
    for (let length = 0;;) {
      const count = Number(libc.read(fd, buffer.subarray(length), BigInt(buffer.length - length)));
      if (count < 0) return absentElseThrow(`read ${path}`);
      length += count;
      if (count === 0) return decoder.decode(buffer.subarray(0, length));
      if (length === buffer.length) grow();
    }
  } finally {
    must("close", libc.close(fd));
  }
}

/** Writes into a file that is there, in one write: the kernel takes it or refuses it. Throws SystemError. */
export function writeSmallFile(path: string, text: string): void {
  const fd = must(`open ${path}`, libc.open(cString(path), O_WRONLY | O_CLOEXEC, 0));
  try {
    const bytes = new TextEncoder().encode(text);
    must(`write ${path}`, Number(libc.write(fd, bytes, BigInt(bytes.length))));
  } finally {
    libc.close(fd);
  }
}

function grow(): void {
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  buffer = larger;
}

/** A process that ends while /proc is read gives ENOENT at open or ESRCH at read. */
function absentElseThrow(call: string): undefined {
  const code = lastErrno();
  if (code === errno.ENOENT || code === errno.ESRCH) return undefined;
  throw new SystemError(call, code);
}
