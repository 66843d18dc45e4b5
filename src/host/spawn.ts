/**
 * Starts shims. Each gets a session of its own, default signals, an empty signal mask, /dev/null as
 * its standard streams and no other descriptor but the session program's, which no job inherits, so
 * that nothing of the supervisor's reaches a job.
 */

import type { ShimStart, Spawned } from "../ports.ts";
import { onCpus } from "./affinity.ts";
import { cString, errno, errorText, libc } from "./libc.ts";
import { posixSpawn, posixSpawnAside, type SpawnOptions } from "./posix_spawn.ts";
import { PROGRAM_FD } from "./session_program.ts";
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
/** What a shell takes for its own, whoever says otherwise; dash ends at an OPTIND that is no number. */
const OF_THE_SHELL = ["IFS", "OLDPWD", "OPTIND", "PPID"];

export interface ShimMeans {
  readonly stateDirectory: string;
  readonly script: string;
  readonly setup: SetupMeans;
  /** Descriptor of the session program. */
  readonly program?: number;
  readonly shell?: Shell;
}

export class Spawner {
  readonly #options: SpawnOptions;
  readonly #shell: Shell;

  constructor(private readonly means: ShimMeans) {
    const { stateDirectory, program, shell = SYSTEM_SHELL } = means;
    const actions = fileActions(stateDirectory, { program });
    this.#options = { actions, attributes: spawnAttributes() };
    this.#shell = shell;
  }

  async spawn(start: ShimStart): Promise<Spawned> {
    if (start.cpuSet) return this.spawnHere(start);
    return this.#spawned(await posixSpawnAside(...this.#callOf(start)));
  }

  /** On this thread, which waits for the exec: so that it can be bound to CPUs meanwhile. */
  spawnHere(start: ShimStart): Spawned {
    const go = () => posixSpawn(...this.#callOf(start));
    const pid = start.cpuSet ? onCpus(start.cpuSet, go) : go();
    return typeof pid === "object" ? { ...pid, by: "node" } : this.#spawned(pid);
  }

  #callOf(start: ShimStart) {
    const words = [this.#shell.name, "-c", EVAL, "holdfast-shim", String(start.id)];
    const claim = claimName(start.attempt);
    const setup = setupText(start.limits, this.means.setup);
    const place = [claim, start.directory, start.cgroup ?? "", setup];
    const own = {
      HOLDFAST_JOB_ID: String(start.id),
      HOLDFAST_TOKEN: start.token,
      HOLDFAST_SHIM: this.means.script,
    };
    const variables = Object.entries({ ...start.environment, ...own })
      .filter(([name]) => !OF_THE_SHELL.includes(name));
    const argv = [...words, ...place, ...start.command];
    const envp = variables.map(([name, value]) => `${name}=${value}`);
    return [this.#shell.path, argv, envp, this.#options] as const;
  }

  #spawned(pid: number): Spawned {
    if (pid > 0) return { pid };
    const refused = `cannot start ${this.#shell.path}: ${errorText(-pid)}`;
    return { refused, by: -pid === errno.E2BIG ? "job" : "node" };
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

/**
 * Its standard streams are /dev/null, or `output` for what it writes; `program` becomes PROGRAM_FD. It
 * has no other descriptor.
 */
export function fileActions(
  directory: string,
  { output, program }: { output?: number; program?: number },
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
  const from = program === undefined ? PROGRAM_FD : PROGRAM_FD + 1;
  if (program !== undefined) {
    libc.posix_spawn_file_actions_adddup2(actions, program, PROGRAM_FD);
  }
  // glibc 2.34 and later; elsewhere close-on-exec, which all our descriptors have, must do.
  libc.posix_spawn_file_actions_addclosefrom_np?.(actions, from);
  return actions;
}
