/** What a node gives to jobs that do not say, and the most that it allows. Pure. */

import { boundWords, isBeyond, LIMIT_NAMES, type Limits, mergeLimits } from "./limits.ts";
import type { FullSpec, InvalidField, Pin } from "./spec.ts";

export interface NodeLimits {
  readonly defaults: Limits;
  /** Of nice and oomScore the least. A job that says nothing and has no default gets the maximum. */
  readonly maxima: Omit<Limits, "umask">;
  /** s */
  readonly maxTimeout?: number;
  readonly maxCpus?: number;
  /** bytes */
  readonly maxMemory?: number;
  /** What jobs get that do not say. */
  readonly pin?: Pin;
  /** Ids of the CPUs on which jobs can be pinned, ascending. */
  readonly cpuIds: readonly number[];
  /** What the supervisor has leave to give; undefined where it can give none. */
  readonly leastNice?: number;
  /** Whether anything on this node can hold a job to a number of processes. */
  readonly canLimitProcesses: boolean;
}

/** The spec that a job has here when its owner asked for `spec`. */
export function onNode(spec: FullSpec, { defaults, maxima, pin }: NodeLimits): FullSpec {
  return filled(spec, { limits: mergeLimits(defaults, maxima), pin });
}

/**
 * What is asked for, where the first job of the same key said or was given the rest: a node's
 * defaults may have changed in between, and are not what somebody asks for.
 */
export function asBefore(spec: FullSpec, first: FullSpec): FullSpec {
  return filled(spec, first);
}

function filled(spec: FullSpec, by: Pick<FullSpec, "limits" | "pin">): FullSpec {
  const limits = mergeLimits(spec.limits, by.limits);
  const pin = spec.pin ?? by.pin;
  return { ...spec, ...(limits && { limits }), ...(pin && { pin }) };
}

/** The first thing that this node does not allow. */
export function beyondNode(spec: FullSpec, node: NodeLimits): InvalidField | undefined {
  const { cpus, memory, timeout, pin } = spec;
  const { maxCpus = Infinity, maxMemory = Infinity, maxTimeout = Infinity, cpuIds } = node;
  const tooMuch = (field: string, asked: string, most: string) => ({
    field,
    message: `is ${asked}, and this node allows at most ${most}`,
  });
  if (cpus > maxCpus) return tooMuch("cpus", `${cpus}`, `${maxCpus}`);
  if (memory > maxMemory) return tooMuch("memory", `${memory} bytes`, `${maxMemory}`);
  if (timeout > maxTimeout || (timeout === 0 && maxTimeout < Infinity)) {
    return tooMuch("timeout", timeout === 0 ? "0 (none)" : `${timeout} s`, `${maxTimeout}`);
  }
  if (pin && cpus > cpuIds.length) {
    const message = `needs ${cpus} CPUs of this node, which has ${cpuIds.length}`;
    return { field: "pin", message };
  }
  const message = limitBeyond(spec.limits ?? {}, node);
  return message === undefined ? undefined : { field: "limits", message };
}

function limitBeyond(limits: Limits, node: NodeLimits): string | undefined {
  for (const name of LIMIT_NAMES) {
    const asked = limits[name];
    const most = name === "umask" ? undefined : node.maxima[name];
    if (typeof asked !== "number" || most === undefined) continue;
    if (isBeyond(name, asked, most)) {
      return `${name} is ${asked}, and this node allows ${boundWords(name)} ${most}`;
    }
  }
  const { nice, processes } = limits;
  if (nice !== undefined && node.leastNice === undefined) return "nice needs nice(1) on this node";
  if (nice !== undefined && nice < node.leastNice!) {
    return `nice is ${nice}, and this supervisor may give no less than ${node.leastNice}`;
  }
  if (processes !== undefined && !node.canLimitProcesses) return NO_PROCESS_LIMIT;
  return undefined;
}

export const NO_PROCESS_LIMIT =
  "processes cannot be limited here: that needs a cgroup with the pids controller, or a supervisor that is not root";
