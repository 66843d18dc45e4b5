/** What this node has to give out: CPUs and memory, by affinity and cgroup limits. */

import { readAffinity } from "./affinity.ts";

/** CPUs that this process may use: affinity, then the tightest cgroup quota; at least 1. */
export function availableCpus(): number {
  return Math.max(1, Math.min(cpuIds().length, Math.floor(cgroupCpus())));
}

/** bytes: MemTotal or the tightest cgroup limit. */
export function availableMemory(): number {
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"));
  const limits = cgroupFiles("memory", "memory.max", "memory.limit_in_bytes").map(Number);
  return Math.min(Number(total?.[1] ?? 0) * 1024, ...limits.filter(Number.isFinite));
}

/** Ids of the CPUs that affinity leaves to this process, ascending. */
export function cpuIds(): number[] {
  const mask = readAffinity();
  if (!mask) return Array.from({ length: navigator.hardwareConcurrency }, (_, id) => id);
  return Array.from({ length: mask.length * 8 }, (_, id) => id)
    .filter((id) => mask[id >> 3]! & (1 << (id & 7)));
}

function cgroupCpus(): number {
  const v2 = cgroupFiles("", "cpu.max", "").map((text) => text.split(" ").map(Number));
  const quotas = cgroupFiles("cpu", "", "cpu.cfs_quota_us").map(Number);
  const periods = cgroupFiles("cpu", "", "cpu.cfs_period_us").map(Number);
  const v1 = quotas.map((quota, i) => quota > 0 ? [quota, periods[i] ?? NaN] : [NaN, 1]);
  const shares = [...v2, ...v1].map(([quota, period]) => quota! / period!);
  return Math.min(Infinity, ...shares.filter(Number.isFinite));
}

/**
 * A limit's texts from our own cgroup up to the root: of version 2 by its name there, of a version 1
 * controller by its own. A limit of any ancestor holds.
 */
function cgroupFiles(controller: string, nameV2: string, nameV1: string): string[] {
  const texts: string[] = [];
  for (const line of readOr("/proc/self/cgroup", "").trim().split("\n")) {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isV2 = controllers === "" && nameV2 !== "";
    const isV1 = nameV1 !== "" && controllers.split(",").includes(controller);
    if (!isV2 && !isV1) continue;
    const root = isV2 ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controller}`;
    for (let at = path.replace(/\/$/, "");; at = at.slice(0, at.lastIndexOf("/"))) {
      texts.push(readOr(`${root}${at}/${isV2 ? nameV2 : nameV1}`, "max").trim());
      if (at === "") break;
    }
  }
  return texts;
}

function readOr(path: string, otherwise: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return otherwise;
  }
}
