/**
 * How a program that we execute begins: with default signals, an empty signal mask, a session of its own,
 * and no descriptor but those that it is given.
 */

import { cString, libc } from "./libc.ts";

const SETSIGDEF = 0x04, SETSIGMASK = 0x08, SETSID = 0x80;
const O_WRONLY = 1;
/** The first after the standard streams. */
export const FIRST_DESCRIPTOR = 3;
/** At least what glibc and musl need for these types, on x86_64 and aarch64. */
const FILE_ACTIONS_BYTES = 128, ATTRIBUTES_BYTES = 512, SIGNAL_SET_BYTES = 128;

export function spawnAttributes(): Uint8Array<ArrayBuffer> {
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  // Not sigfillset, which leaves out 32 and 33: glibc would have them ignored in the child.
  const everySignal = new Uint8Array(SIGNAL_SET_BYTES).fill(0xff);
  libc.posix_spawnattr_init(attributes);
  libc.posix_spawnattr_setsigdefault(attributes, everySignal);
  libc.posix_spawnattr_setsigmask(attributes, new Uint8Array(SIGNAL_SET_BYTES));
  libc.posix_spawnattr_setflags(attributes, SETSIGDEF | SETSIGMASK | SETSID);
  return attributes;
}

/**
 * Its standard streams are /dev/null, or `output` for what it writes; `descriptors` become
 * FIRST_DESCRIPTOR and those after it, and must be none of these numbers themselves.
 */
export function fileActions(
  directory: string,
  { output, descriptors = [] }: { output?: number; descriptors?: readonly number[] },
): Uint8Array<ArrayBuffer> {
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  const nowhere = cString("/dev/null");
  libc.posix_spawn_file_actions_init(actions);
  libc.posix_spawn_file_actions_addopen(actions, 0, nowhere, 0, 0);
  for (const fd of [1, 2]) {
    if (output !== undefined) libc.posix_spawn_file_actions_adddup2(actions, output, fd);
    else libc.posix_spawn_file_actions_addopen(actions, fd, nowhere, O_WRONLY, 0);
  }
  libc.posix_spawn_file_actions_addchdir_np(actions, cString(directory));
  descriptors.forEach((fd, i) =>
    libc.posix_spawn_file_actions_adddup2(actions, fd, FIRST_DESCRIPTOR + i)
  );
  // glibc 2.34 and later; elsewhere close-on-exec, which all our descriptors have, must do.
  const rest = FIRST_DESCRIPTOR + descriptors.length;
  libc.posix_spawn_file_actions_addclosefrom_np?.(actions, rest);
  return actions;
}
