/**
 * Finds where the cgroups of jobs can be made and what they can do there: hold jobs to limits, or only
 * end them. It makes one directory for each state directory, so that several supervisors on a machine
 * do not meet, and never turns on controllers where its own supervisor could not be started again.
 */

import { cString, libc, SystemError } from "./libc.ts";
import { runToEnd } from "./posix_spawn.ts";
import { readSmallFile, writeSmallFile } from "./small_file.ts";

export const CONTROLLERS = ["memory", "cpu", "pids", "io"] as const;
export type Controller = (typeof CONTROLLERS)[number];

export interface CgroupGround {
  /** Below it each job has its cgroup; absent where none can be made. */
  readonly directory?: string;
  /** What can be limited and counted there. */
  readonly controllers: readonly Controller[];
  /** Why there is no directory, or not every controller. */
  readonly problem?: string;
}

/** The name that systemd's DelegateSubgroup= gives the cgroup of ours, and we give it as pid 1. */
const OWN_NAME = "supervisor";

interface Base {
  readonly directory: string;
  /** Why controllers must not be turned on for what is below. */
  readonly problem?: string;
}

/**
 * `setting`: "auto", "off" or a directory of a cgroup2 file system. `isInit`: all processes in the cgroup
 * are ours. Dying in it: directories that the next start finds or makes again.
 */
export function findCgroups(setting: string, stateDirectory: string, isInit = false): CgroupGround {
  if (setting === "off") return none("switched off in the configuration");
  const base = setting === "auto" ? ownBase(isInit) : { directory: setting };
  if (typeof base === "string") return none(base);
  const directory = `${base.directory}/${groupName(stateDirectory)}`;
  try {
    makeIfAbsent(directory);
    if (!base.problem) turnOn(base.directory);
    turnOn(directory);
    probe(directory);
  } catch (error) {
    removeIfEmpty(directory);
    return none(error instanceof Error ? error.message : String(error));
  }
  const enabled = wordsOf(`${directory}/cgroup.subtree_control`);
  const controllers = CONTROLLERS.filter((name) => enabled.includes(name));
  return { directory, controllers, problem: missing(base, controllers) };
}

function none(problem: string): CgroupGround {
  return { controllers: [], problem };
}

/** By the real path, so that a state directory has one name however it is written. */
export function groupName(stateDirectory: string): string {
  const FNV_PRIME = 0x100000001b3n;
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(Deno.realPathSync(stateDirectory))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  }
  return `holdfast-${hash.toString(16).padStart(16, "0")}`;
}

/** The directory of our own cgroup, or why there is none. */
export function ownCgroup(): { directory: string } | string {
  const own = /^0::(.*)$/m.exec(readSmallFile("/proc/self/cgroup") ?? "")?.[1];
  if (own === undefined) return "the kernel has no cgroups of version 2";
  const directory = cgroupDirectory(readSmallFile("/proc/self/mountinfo") ?? "", own);
  if (directory === undefined) return "no cgroup2 file system is mounted that holds the supervisor";
  return { directory };
}

/** Where a cgroup is, by the text of mountinfo; undefined where no mount shows it. */
export function cgroupDirectory(mountinfo: string, path: string): string | undefined {
  for (const line of mountinfo.trim().split("\n").reverse()) {
    const [before = "", after = ""] = line.split(" - ");
    if (!after.startsWith("cgroup2 ")) continue;
    const [root = "", point = ""] = before.split(" ").slice(3).map(unescape);
    const prefix = root === "/" ? "" : root;
    if (path !== root && !path.startsWith(`${prefix}/`)) continue;
    if (path.split("/").includes("..")) continue;
    return `${point}${path.slice(prefix.length)}`.replace(/(.)\/$/, "$1");
  }
  return undefined;
}

/** mountinfo writes spaces and the like in octal. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** What stands against the `cgroup` of a configuration; undefined when nothing does. */
export function cannotHoldCgroups(setting: string): string | undefined {
  if (!setting.startsWith("/") || exists(`${setting}/cgroup.subtree_control`)) return undefined;
  return `cgroup ${setting} is not a directory of a cgroup2 file system`;
}

function ownBase(isInit: boolean): Base | string {
  const own = ownCgroup();
  if (typeof own === "string") return own;
  const { directory } = own;
  const parent = directory.slice(0, directory.lastIndexOf("/"));
  if (directory.endsWith(`/${OWN_NAME}`) && (isInit || isDelegated(parent))) {
    // What a supervisor of before has left there is ours too, as the shims of a unit without a subgroup.
    makeRoom(parent);
    return { directory: parent };
  }
  // Of all cgroups the root alone may hold processes and have controllers turned on below it.
  if (!exists(`${directory}/cgroup.events`)) return { directory };
  if (isInit && wordsOf(`${directory}/cgroup.controllers`).length > 0) makeRoom(directory);
  if (isInit && wordsOf(`${directory}/cgroup.procs`).length === 0) return { directory };
  // Were they turned on, the next supervisor could not be put into it while jobs are left below.
  return { directory, problem: `the supervisor itself is in ${directory}` };
}

/** systemd's mark of a cgroup that it has given to its unit. */
function isDelegated(directory: string): boolean {
  const value = new Uint8Array(1);
  const size = libc.getxattr(cString(directory), cString("user.delegate"), value, 1n);
  return size === 1n && value[0] === "1".charCodeAt(0);
}

/** Moves all processes of a cgroup one down: a cgroup other than the root has processes or controllers. */
function makeRoom(directory: string): void {
  const own = `${directory}/${OWN_NAME}`;
  try {
    makeIfAbsent(own);
    for (const pid of wordsOf(`${directory}/cgroup.procs`)) {
      writeSmallFile(`${own}/cgroup.procs`, pid);
    }
  } catch {
    // It cannot be written, or holds a process that we do not see: then it stays as it is.
  }
}

/** Each by itself: one that is not there or not allowed leaves the others. */
function turnOn(directory: string): void {
  const available = wordsOf(`${directory}/cgroup.controllers`);
  const enabled = wordsOf(`${directory}/cgroup.subtree_control`);
  for (const name of CONTROLLERS) {
    if (!available.includes(name) || enabled.includes(name)) continue;
    try {
      writeSmallFile(`${directory}/cgroup.subtree_control`, `+${name}`);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
}

function missing({ directory, problem }: Base, have: readonly Controller[]): string | undefined {
  const lacking = CONTROLLERS.filter((name) => !have.includes(name));
  if (lacking.length === 0) return undefined;
  const absent = lacking.filter((name) =>
    !wordsOf(`${directory}/cgroup.controllers`).includes(name)
  );
  const why = absent.length === lacking.length ? `${directory} has no such controller` : problem ??
    `they cannot be turned on in ${directory}`;
  return `no limit of ${lacking.join(", ")}: ${why}`;
}

/** Throws unless processes can really be moved into what is made there. */
function probe(directory: string): void {
  const place = `${directory}/probe`;
  makeIfAbsent(place);
  const script = '{ echo 0 >"$1/cgroup.procs"; } 2>/dev/null';
  const status = runToEnd("/bin/sh", ["sh", "-c", script, "sh", place]);
  removeIfEmpty(place);
  if (status !== 0) throw new Error(`no process can be moved into ${directory}`);
}

function makeIfAbsent(directory: string): void {
  try {
    Deno.mkdirSync(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** A process that is not quite gone may still be in it. */
function removeIfEmpty(directory: string): void {
  try {
    Deno.removeSync(directory);
  } catch {
    // The next start finds it.
  }
}

function wordsOf(path: string): string[] {
  return (readSmallFile(path) ?? "").split(/\s+/).filter((word) => word !== "");
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
