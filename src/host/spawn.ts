/**
 * Starts shims. Each gets a session of its own, default signals, an empty signal mask, /dev/null as
 * its standard streams and no other descriptor, so that nothing of the supervisor's reaches a job.
 */

import type { ShimStart, Spawned } from "../ports.ts";
import { onCpus } from "./affinity.ts";
import { cString, cStringArray, errno, errorText, libc } from "./libc.ts";
import { claimName } from "./shim_script.ts";
import { type SetupMeans, setupText } from "./shim_setup.ts";

const SETSIGDEF = 0x04, SETSIGMASK = 0x08, SETSID = 0x80;
const O_WRONLY = 1;
/** At least what glibc and musl need for these types, on x86_64 and aarch64. */
const FILE_ACTIONS_BYTES = 128, ATTRIBUTES_BYTES = 512, SIGNAL_SET_BYTES = 128;

/** A POSIX shell; busybox knows by its name that it is one. */
export interface Shell {
  readonly path: string;
  readonly name: string;
}

const SYSTEM_SHELL: Shell = { path: "/bin/sh", name: "sh" };
const EVAL = 'eval "$HOLDFAST_SHIM"';

export class Spawner {
  #actions: Uint8Array<ArrayBuffer>;
  #attributes = spawnAttributes();
  #shell: Uint8Array<ArrayBuffer>;
  #pid = new Int32Array(1);
  #pidBytes = new Uint8Array(this.#pid.buffer);

  constructor(
    stateDirectory: string,
    private readonly script: string,
    private readonly means: SetupMeans,
    private readonly shell = SYSTEM_SHELL,
  ) {
    this.#actions = fileActions(stateDirectory);
    this.#shell = cString(shell.path);
  }

  spawn(start: ShimStart): Spawned {
    const words = [this.shell.name, "-c", EVAL, "holdfast-shim", String(start.id)];
    const claim = claimName(start.attempt);
    const setup = setupText(start.limits, this.means);
    const place = [claim, start.directory, start.cgroup ?? "", setup];
    const argv = cStringArray([...words, ...place, ...start.command]);
    const own = {
      HOLDFAST_JOB_ID: String(start.id),
      HOLDFAST_TOKEN: start.token,
      HOLDFAST_SHIM: this.script,
    };
    const variables = Object.entries({ ...start.environment, ...own });
    const envp = cStringArray(variables.map(([name, value]) => `${name}=${value}`));
    const code = start.cpuSet
      ? onCpus(start.cpuSet, () => this.#spawn(argv.array, envp.array))
      : this.#spawn(argv.array, envp.array);
    // The strings must outlive the call: these uses keep them.
    if (argv.keep.length + envp.keep.length === 0 || code !== 0) {
      if (typeof code === "object") return { ...code, by: "node" };
      const refused = `cannot start ${this.shell.path}: ${errorText(code)}`;
      return { refused, by: code === errno.E2BIG ? "job" : "node" };
    }
    return { pid: this.#pid[0]! };
  }

  /** Returns 0, or the number of an error. */
  #spawn(argv: Uint8Array<ArrayBuffer>, envp: Uint8Array<ArrayBuffer>): number {
    const { posix_spawn } = libc;
    return posix_spawn(this.#pidBytes, this.#shell, this.#actions, this.#attributes, argv, envp);
  }
}

/** Default signals, an empty signal mask, a session of its own. */
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

/** No descriptor but the standard streams: /dev/null, or `output` for what it writes. */
export function fileActions(directory: string, output?: number): Uint8Array<ArrayBuffer> {
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  const nowhere = cString("/dev/null");
  libc.posix_spawn_file_actions_init(actions);
  libc.posix_spawn_file_actions_addopen(actions, 0, nowhere, 0, 0);
  for (const fd of [1, 2]) {
    if (output !== undefined) libc.posix_spawn_file_actions_adddup2(actions, output, fd);
    else libc.posix_spawn_file_actions_addopen(actions, fd, nowhere, O_WRONLY, 0);
  }
  libc.posix_spawn_file_actions_addchdir_np(actions, cString(directory));
  // glibc 2.34 and later; elsewhere close-on-exec, which all our descriptors have, must do.
  libc.posix_spawn_file_actions_addclosefrom_np?.(actions, 3);
  return actions;
}
