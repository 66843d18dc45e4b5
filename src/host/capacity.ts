/** What this node has to give out: CPUs and memory, by affinity and cgroup limits. */

import { readAffinity } from "./affinity.ts";
import { ownCgroup } from "./cgroup_ground.ts";

/** CPUs that this process may use: affinity, then the tightest cgroup quota; at least 1. */
export function availableCpus(): number {
  return Math.max(1, Math.min(cpuIds().length, Math.floor(cgroupCpus())));
}

/** bytes: MemTotal or the tightest cgroup limit. */
export function availableMemory(): number {
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"));
  const limits = [...limitsV2("memory.max"), ...limitsV1("memory", "memory.limit_in_bytes")]
    .map(Number);
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
  const v2 = limitsV2("cpu.max").map((text) => text.split(" ").map(Number));
  const quotas = limitsV1("cpu", "cpu.cfs_quota_us").map(Number);
  const periods = limitsV1("cpu", "cpu.cfs_period_us").map(Number);
  const v1 = quotas.map((quota, i) => quota > 0 ? [quota, periods[i] ?? NaN] : [NaN, 1]);
  const shares = [...v2, ...v1].map(([quota, period]) => quota! / period!);
  return Math.min(Infinity, ...shares.filter(Number.isFinite));
}

/** What a file says in our own cgroup and in each above it: a limit of any of them holds. */
function limitsV2(name: string): string[] {
  const own = ownCgroup();
  return typeof own === "string" ? [] : textsUpwards("", own.directory, name);
}

/** The same of a controller of version 1, which has a tree of its own. */
function limitsV1(controller: string, name: string): string[] {
  for (const line of readOr("/proc/self/cgroup", "").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (!controllers.split(",").includes(controller)) continue;
    return textsUpwards(`/sys/fs/cgroup/${controller}`, path.replace(/\/$/, ""), name);
  }
  return [];
}

/** "max" where there is no such file, or none that we may read. */
function textsUpwards(root: string, path: string, name: string): string[] {
  const text = readOr(`${root}${path}/${name}`, "max").trim();
  if (path === "") return [text];
  return [text, ...textsUpwards(root, path.slice(0, path.lastIndexOf("/")), name)];
}

function readOr(path: string, otherwise: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return otherwise;
  }
}
