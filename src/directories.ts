/**
 * The state and the runtime directory of a supervisor: where they are, that they can be used, and that
 * the state directory is ours or nobody's. What another program keeps is neither locked nor touched.
 */

import { basename, dirname, join, resolve } from "node:path";
import { calledIn } from "./called.ts";
import { type Config, ConfigError } from "./config.ts";
import { cString, errorText, lastErrno, libc } from "./host/libc.ts";
import { runtimeDirectory, stateDirectory } from "./paths.ts";

const F_OK = 0, X_OK = 1, W_OK = 2;
/** sun_path of unix(7), without its NUL and the pid that is appended while the socket is made. */
const SOCKET_PATH_BYTES = 99;
/**
 * SQLite takes paths of 512 bytes, links followed and with 8 of its own (MAX_PATHNAME of os_unix.c, and
 * sqlite3PagerOpen); the longest that we give it is `rebuild.scratch/journal.db` in the directory.
 */
const STATE_PATH_BYTES = 477;

export interface Places {
  readonly state: string;
  readonly runtime: string;
  readonly socket: string;
}

interface Kind {
  readonly what: string;
  readonly flag: string;
  readonly key: string;
}

const STATE: Kind = { what: "state directory", flag: "--state-dir", key: "state_dir" };
const RUNTIME: Kind = { what: "runtime directory", flag: "--runtime-dir", key: "runtime_dir" };

/** Throws NoPlace, ConfigError, NotText. */
export function places(config: Config): Places {
  const surroundings = { env: (name: string) => Deno.env.get(name), uid: Deno.uid() ?? 0 };
  const state = absolute(STATE, stateDirectory(config.state_dir, surroundings));
  const runtime = absolute(RUNTIME, runtimeDirectory(config.runtime_dir, surroundings));
  const socket = `${runtime}/control.sock`;
  refuseLonger(STATE_PATH_BYTES, STATE, state, "its real path", realPath(state));
  refuseLonger(SOCKET_PATH_BYTES, RUNTIME, runtime, "the socket's path", socket);
  return { state, runtime, socket };
}

/** Whether those that exist can be used. Changes nothing. Throws ConfigError. */
export function check({ state, runtime }: Places): void {
  if (exists(state)) {
    refuseUnwritable(STATE, state);
    refuseForeignState(state);
  }
  if (exists(runtime)) refuseUnwritable(RUNTIME, runtime);
  else refuseUnmakeable(RUNTIME, runtime);
}

/** The deepest directory above it that there is must be one in which something can be made. */
function refuseUnmakeable(kind: Kind, path: string): void {
  let above = dirname(path);
  while (!exists(above) && above !== "/") above = dirname(above);
  if (libc.access(cString(`${above}/.`), W_OK | X_OK) === 0) return;
  throw unusable(kind, path, `cannot be made in ${above}: ${errorText(lastErrno())}`);
}

function refuseLonger(most: number, kind: Kind, path: string, what: string, actual: string): void {
  const { length } = new TextEncoder().encode(actual);
  if (length <= most) return;
  throw unusable(kind, path, `is too long: ${what} may have ${most} bytes, and has ${length}`);
}

/** With links followed, as far as it exists. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path === "/" ? path : join(realPath(dirname(path)), basename(path));
  }
}

/** Makes what is missing of places that have been checked. Throws ConfigError. */
export function prepare({ state, runtime }: Places): void {
  make(STATE, state, 0o700);
  attempt(STATE, state, "cannot be made private", () => Deno.chmodSync(state, 0o700));
  make(RUNTIME, runtime, 0o755);
}

/**
 * Makes the runtime directory again, as it is now, when it has gone. What the system gives to a user
 * for the time of his sessions must be there again first. Throws ConfigError.
 */
export function remaker({ runtime }: Places): () => void {
  const { mode, uid, gid } = Deno.statSync(runtime);
  const given = givenDirectory(runtime);
  return () => {
    if (given !== undefined && !exists(given)) {
      throw unusable(RUNTIME, runtime, `is below ${given}, which is not there`);
    }
    if (exists(`${runtime}/.`)) return;
    make(RUNTIME, runtime, mode! & 0o7777);
    attempt(RUNTIME, runtime, "cannot be made as it was", () => {
      Deno.chownSync(runtime, uid!, gid!);
      Deno.chmodSync(runtime, mode! & 0o7777);
    });
  };
}

/** What logind makes and removes (pam_systemd(8)). */
function givenDirectory(runtime: string): string | undefined {
  const own = Deno.env.get("XDG_RUNTIME_DIR")?.replace(/\/+$/, "");
  if (own?.startsWith("/") && runtime.startsWith(`${own}/`)) return own;
  return /^\/run\/user\/\d+(?=\/)/.exec(runtime)?.[0];
}

/** A directory that does not exist or is empty may become ours. Throws ConfigError. */
export function refuseForeignState(state: string): void {
  let names: string[] = [];
  attempt(STATE, state, "cannot be read", () => {
    names = [...Deno.readDirSync(state)].map(({ name }) => name);
  });
  const foreign = names.find((name) => !isAnyones(name));
  if (foreign === undefined || names.some(isSurelyOurs)) return;
  throw unusable(STATE, state, `holds ${foreign}, which is not ours, and no journal of Holdfast`);
}

/** `runs` or `lock` alone are not: others call theirs so too. */
function isSurelyOurs(name: string): boolean {
  return name.startsWith("journal.db") || name === "exits";
}

/** What the file system makes itself, and what is ours as soon as nothing else is there. */
function isAnyones(name: string): boolean {
  return name === "lost+found" || name === "lock" || name === "runs" || isSurelyOurs(name);
}

function make(kind: Kind, path: string, mode: number): void {
  attempt(kind, path, "cannot be made", () => Deno.mkdirSync(path, { recursive: true, mode }));
}

function refuseUnwritable(kind: Kind, path: string): void {
  // The dot makes it fail for what is not a directory.
  if (libc.access(cString(`${path}/.`), W_OK | X_OK) === 0) return;
  throw unusable(kind, path, `cannot be written: ${errorText(lastErrno())}`);
}

function exists(path: string): boolean {
  return libc.access(cString(path), F_OK) === 0;
}

function attempt(kind: Kind, path: string, problem: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw unusable(kind, path, `${problem}: ${(error as Error).message.replace(/: \w+ '.*/, "")}`);
  }
}

/** Without the dots of a relative path: it must lead there when the working directory is gone. */
function absolute(kind: Kind, path: string): string {
  if (path.startsWith("/")) return path;
  const here = calledIn();
  if (here !== undefined) return resolve(here, path);
  throw unusable(kind, path, "begins in a directory that has been removed");
}

function unusable({ what, flag, key }: Kind, path: string, problem: string): ConfigError {
  return new ConfigError(`the ${what} ${path} ${problem}; give another with ${flag} or ${key}`);
}
