/**
 * The cgroups of jobs: makes them with their limits, tells who is in them and what they have used, ends
 * them and removes them. What was made by an earlier supervisor is reached by the directory that is in
 * the journal, wherever this one makes its own.
 */

import type { ProcessIdentity } from "../job/identity.ts";
import type { Usage } from "../job/job.ts";
import type { CgroupLimits, Cgroups } from "../ports.ts";
import type { CgroupGround, Controller } from "./cgroup_ground.ts";
import { makeDirectory, removeDirectory } from "./entries.ts";
import { errno, SystemError } from "./libc.ts";
import { observe } from "./proc.ts";
import { readSmallFile, writeSmallFile } from "./small_file.ts";

/** share: of what is there when others want it too; hard: never more than its CPUs. */
export type CpuLimit = "share" | "hard";

const WEIGHT_PER_CPU = 100, MAX_WEIGHT = 10_000;
const PERIOD_US = 100_000;
const TOKEN_LETTERS = 8;
/** Stands for those of a pid namespace that cannot be looked into: nobody can signal them one by one. */
const UNSEEN: ProcessIdentity = { pid: 0, startTicks: 0 };

export class HostCgroups implements Cgroups {
  /** Without a ground none is made, and those that are there are looked after. */
  constructor(
    private readonly ground: CgroupGround = { controllers: [] },
    private readonly cpuLimit: CpuLimit = "share",
  ) {}

  directoryOf(id: number, token: string): string | undefined {
    const { directory } = this.ground;
    return directory && `${directory}/job-${id}-${token.slice(0, TOKEN_LETTERS)}`;
  }

  make(directory: string, limits: CgroupLimits): void {
    if (!makeDirectory(directory, 0o755)) throw new Error(`${directory} is there already`);
    this.limit(directory, limits);
  }

  limit(directory: string, { cpus, memory, processes }: CgroupLimits): void {
    const set = (name: string, value: string | number) =>
      writeSmallFile(`${directory}/${name}`, String(value));
    if (memory > 0 && this.#has("memory")) {
      set("memory.max", memory);
      // A kernel need not count swap.
      if (readSmallFile(`${directory}/memory.swap.max`) !== undefined) set("memory.swap.max", 0);
      set("memory.oom.group", 1);
    }
    if (processes !== undefined && this.#has("pids")) set("pids.max", processes);
    if (!this.#has("cpu")) return;
    set("cpu.weight", Math.min(MAX_WEIGHT, cpus * WEIGHT_PER_CPU));
    if (this.cpuLimit === "hard") set("cpu.max", `${cpus * PERIOD_US} ${PERIOD_US}`);
  }

  members(directory: string): ProcessIdentity[] | undefined {
    if (!isPopulated(directory)) return [];
    const identities = pidsIn(directory).flatMap((pid) => {
      if (pid === 0) return [UNSEEN];
      const seen = observe(pid);
      if (seen.kind === "unreadable") throw new Error(seen.cause);
      return seen.kind === "present" && !seen.zombie ? [{ pid, startTicks: seen.startTicks }] : [];
    });
    // One that ended before it was looked at may have left its pid to a stranger, who is not in here.
    const still = new Set(pidsIn(directory));
    const members = identities.filter(({ pid }) => still.has(pid));
    return members.length > 0 ? members : isPopulated(directory) ? undefined : [];
  }

  kill(directory: string): void {
    try {
      writeSmallFile(`${directory}/cgroup.kill`, "1");
    } catch (error) {
      // It is gone, and so is everybody in it; or the kernel is older, and each is signalled.
      if (!isGone(error)) throw error;
    }
  }

  usage(directory: string): Usage | undefined {
    const cpu = readUnlessGone(`${directory}/cpu.stat`);
    if (cpu === undefined) return undefined;
    // What is not counted has no file; of a job of an earlier supervisor it may be counted all the same.
    const isOurs = directory.startsWith(`${this.ground.directory}/`);
    const counted = (controller: Controller, file: string) =>
      !isOurs || this.#has(controller) ? readUnlessGone(`${directory}/${file}`) : undefined;
    const peak = counted("memory", "memory.peak");
    const io = counted("io", "io.stat");
    return {
      userTimeMs: Math.round(fieldOf(cpu, "user_usec") / 1000),
      systemTimeMs: Math.round(fieldOf(cpu, "system_usec") / 1000),
      maxMemory: peak === undefined ? undefined : Number(peak),
      ...(io === undefined ? {} : bytesOfDevices(io)),
    };
  }

  ranOutOfMemory(directory: string): boolean {
    return fieldOf(readUnlessGone(`${directory}/memory.events`) ?? "", "oom_kill") > 0;
  }

  remove(directory: string): boolean {
    try {
      return removeCgroup(directory);
    } catch {
      // It cannot be looked into.
      return false;
    }
  }

  directories(): string[] {
    const { directory } = this.ground;
    return directory ? below(directory).filter((path) => /\/job-[^/]*$/.test(path)) : [];
  }

  /** Leaves nothing behind where no job is left. */
  leave(): void {
    const { directory } = this.ground;
    if (directory && this.directories().length === 0) removeCgroup(directory);
  }

  #has(controller: Controller): boolean {
    return this.ground.controllers.includes(controller);
  }
}

/** False when a process is in it or below. */
export function removeCgroup(directory: string): boolean {
  if (removeDirectory(directory)) return true;
  if (isPopulated(directory) || !below(directory).every(removeCgroup)) return false;
  return removeDirectory(directory);
}

function isPopulated(directory: string): boolean {
  const events = readUnlessGone(`${directory}/cgroup.events`);
  return events !== undefined && fieldOf(events, "populated") > 0;
}

/** Of the cgroup and of those that its processes have made below it. */
function pidsIn(directory: string): number[] {
  const pids = (readUnlessGone(`${directory}/cgroup.procs`) ?? "").split("\n")
    .filter((line) => line !== "").map(Number);
  return [...pids, ...below(directory).flatMap(pidsIn)];
}

function below(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => `${directory}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A threaded cgroup tells no processes: the one above it does. */
function readUnlessGone(path: string): string | undefined {
  try {
    return readSmallFile(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof SystemError &&
    [errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP].some((code) => code === error.errno);
}

function fieldOf(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

/** Stacked devices, as those of LVM, are left out: what goes through them is counted below them. */
function bytesOfDevices(text: string): { readBytes: number; writtenBytes: number } {
  let readBytes = 0, writtenBytes = 0;
  for (
    const [, device, read, written] of text.matchAll(/^(\d+:\d+).* rbytes=(\d+) wbytes=(\d+)/gm)
  ) {
    if (isStacked(device!)) continue;
    readBytes += Number(read);
    writtenBytes += Number(written);
  }
  return { readBytes, writtenBytes };
}

function isStacked(device: string): boolean {
  try {
    return [...Deno.readDirSync(`/sys/dev/block/${device}/slaves`)].length > 0;
  } catch {
    return false;
  }
}
