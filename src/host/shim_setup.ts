/**
 * What the shim's subshell evaluates right before it executes the command: the job's limits, by
 * builtins of dash, bash and busybox ash, whose units and options for them are the same but where
 * said. Made of checked numbers alone.
 */

import { type LimitName, type Limits } from "../job/limits.ts";
import type { Nice } from "./nice.ts";
import { quote } from "./shim_script.ts";

export interface SetupMeans {
  readonly nice?: Nice;
  /** Whether RLIMIT_NPROC is to hold the processes, for want of a cgroup. */
  readonly boundsProcesses: boolean;
}

/** What `ulimit -c` and `-f` count in POSIX mode, and `-s`. */
const BLOCK = 512, KIB = 1024;

type SetBy = (value: number) => string;

/** A size is rounded up to whole blocks. */
const RLIMITS: Partial<Record<LimitName, SetBy>> = {
  coreSize: (bytes) => `ulimit -c ${Math.ceil(bytes / BLOCK)}`,
  stackSize: (bytes) => `ulimit -s ${Math.ceil(bytes / KIB)}`,
  // dash and ash say -p; bash, where that is the size of a pipe and cannot be set, -u.
  processes: (count) => `ulimit -p ${count} || ulimit -u ${count}`,
  openFiles: (count) => `ulimit -n ${count}`,
  fileSize: (bytes) => `ulimit -f ${Math.ceil(bytes / BLOCK)}`,
};
/** Last what would keep the shell from telling that another cannot be set. */
const ORDER = Object.keys(RLIMITS) as LimitName[];

/** Soft and hard limits, umask and niceness; "" when there is nothing to be set. */
export function setupText(limits: Limits = {}, { nice, boundsProcesses }: SetupMeans): string {
  const wanted = ORDER.filter((name) =>
    limits[name] !== undefined && (name !== "processes" || boundsProcesses)
  );
  const rlimits = wanted.map((name) => {
    const value = limits[name] as number;
    return `${RLIMITS[name]!(value)} || _hf_refuse ${quote(`cannot set ${name} to ${value}`)}`;
  });
  const lines = rlimits.length > 0 ? [`{\n${rlimits.join("\n")}\n} 2>/dev/null`] : [];
  const { oomScore } = limits;
  if (oomScore !== undefined) {
    const refusal = quote(`cannot set oomScore to ${oomScore}`);
    lines.push(
      `{ echo ${oomScore} >|/proc/self/oom_score_adj; } 2>/dev/null || _hf_refuse ${refusal}`,
    );
  }
  if (limits.umask !== undefined) lines.push(`umask ${limits.umask}`);
  if (limits.nice !== undefined && nice) {
    lines.push(`set -- ${quote(nice.path)} -n ${limits.nice - nice.own} "$@"`);
  }
  return lines.join("\n");
}
