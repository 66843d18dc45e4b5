/**
 * Where to kill: at the nth call of a name, as `strace` counts them. A run without a kill tells which
 * calls there are and in which order; from these all points are made, or a sample spread evenly over
 * the span and over the names by a seed.
 *
 * Between two system calls a process changes nothing outside itself, so all that a SIGKILL at any
 * instruction can leave behind is left behind by one at the entry of some call. The calls that are
 * traced are those of the main thread, where all of the supervisor's own work is done.
 */

export interface Call {
  readonly name: string;
  readonly nth: number;
  /** It changes something that outlives the process. */
  readonly isDeed?: boolean;
}

/** supervisor, shim, family (the shim and all that comes of it), both, spawn (what is to become the
 * shim), machine (all processes at once: the supervisor is PID 1 of a namespace). */
export const MODES = ["supervisor", "shim", "family", "both", "spawn", "machine"] as const;
export type Mode = typeof MODES[number];

export interface KillPoint {
  readonly mode: Mode;
  readonly supervisor?: Call;
  readonly shim?: Call;
}

/**
 * What leaves a trace outside the process. All others ask, wait, change what dies with the process
 * (memory, threads, descriptors), or end what its death ends anyway (close). A kill at one of them
 * leaves what a kill at the next of these leaves.
 */
const DEEDS = new Set(
  "accept4 bind chmod clone clone3 connect execve exit_group fallocate fchmod fchown fdatasync flock \
fsync ftruncate kill link linkat listen mkdir mkdirat pidfd_send_signal prctl prlimit64 pwrite64 \
pwritev rename renameat2 rmdir sendmsg sendto setsid shutdown socket unlink unlinkat vfork wait4 \
waitid write writev".split(" "),
);

/** The calls of one trace in their order; those of a second process are counted from one again. */
export function callsOf(trace: string): Call[] {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  const calls: Call[] = [];
  for (const line of trace.split("\n")) {
    const match = /^(?:(\d+) +)?([a-z]\w*)\(/.exec(line);
    // The first one is strace's own, before which there is nothing to kill.
    if (!match || (calls.length === 0 && match[2] === "execve" && seen.add("execve:1"))) continue;
    const [, pid = "", name] = match;
    const nth = (counts.get(`${pid} ${name}`) ?? 0) + 1;
    counts.set(`${pid} ${name}`, nth);
    if (seen.has(`${name}:${nth}`)) continue;
    seen.add(`${name}:${nth}`);
    const isDeed = DEEDS.has(name!) || (name === "openat" && /O_CREAT|O_TRUNC/.test(line));
    calls.push({ name: name!, nth, isDeed });
  }
  return calls;
}

/** Half of the sample is spread over the span, half over the names. */
export function sampleOf(calls: readonly Call[], count: number, random: () => number): Call[] {
  const chosen = new Set(spread(calls, Math.ceil(count / 2), random));
  const byName = [...Map.groupBy(calls, ({ name }) => name).values()];
  for (let left = byName; chosen.size < Math.min(count, calls.length);) {
    left = left.filter((calls) => calls.some((call) => !chosen.has(call)));
    for (const calls of left) {
      const free = calls.filter((call) => !chosen.has(call));
      if (chosen.size < count) chosen.add(free[Math.floor(random() * free.length)]!);
    }
  }
  return calls.filter((call) => chosen.has(call));
}

/** One of each of `count` equal parts. */
export function spread<T>(items: readonly T[], count: number, random: () => number): T[] {
  const parts = Math.min(count, items.length);
  return Array.from(
    { length: parts },
    (_, part) => items[Math.floor((part + random()) * items.length / parts)]!,
  );
}

/** The same numbers in [0, 1) for the same seed (mulberry32). */
export function randomBy(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** As `both write:12 openat:3`; `-` where only the shim is killed. */
export function pointText({ mode, supervisor, shim }: KillPoint): string {
  const text = (call?: Call) => call ? `${call.name}:${call.nth}` : "-";
  return [mode, text(supervisor), ...shim ? [text(shim)] : []].join(" ");
}

export function parsePoint(text: string): KillPoint {
  const [mode, ...calls] = text.split(" ");
  if (!MODES.includes(mode as Mode)) throw new Error(`no such mode: ${mode}`);
  const [supervisor, shim] = calls.map((call) => {
    const match = /^(\w+):(\d+)$/.exec(call);
    return match ? { name: match[1]!, nth: Number(match[2]) } : undefined;
  });
  return { mode: mode as Mode, supervisor, shim };
}
