/**
 * Where to kill: at the nth call of a name that a process makes. A run without a kill tells which calls
 * there are and in which order; from these all points are made, or a sample spread evenly over the span
 * and over the names by a seed.
 *
 * Between two system calls a process changes nothing outside itself, so all that a SIGKILL at any
 * instruction can leave behind is left behind by one at the entry of some call. The supervisor's calls
 * are those of its main thread, where all of its own work is done; the others have one thread.
 */

export interface Call {
  readonly name: string;
  readonly nth: number;
  /** It changes something that outlives the process. */
  readonly isDeed?: boolean;
}

/** family: a shim and all that comes of it. */
export type Role = "supervisor" | "keeper" | "shim" | "leader" | "family";

/** Who is killed, each at a call of its own. */
export const ROLES = {
  supervisor: ["supervisor"],
  keeper: ["keeper"],
  shim: ["shim"],
  leader: ["leader"],
  family: ["family"],
  both: ["supervisor", "shim"],
  /** All processes at once: the supervisor is PID 1 of a namespace. */
  machine: ["supervisor"],
} as const satisfies Record<string, readonly Role[]>;
export type Mode = keyof typeof ROLES;
export const MODES = Object.keys(ROLES) as Mode[];

export interface KillPoint {
  readonly mode: Mode;
  /** One for each role of the mode. */
  readonly calls: readonly Call[];
}

/**
 * What leaves a trace outside the process. All others ask, wait, change what dies with the process
 * (memory, threads, descriptors), or end what its death ends anyway (close). A kill at one of them
 * leaves what a kill at the next of these leaves.
 */
const DEEDS = new Set(
  "accept4 bind chmod clone clone3 connect execve exit_group fallocate fchmod fchown fdatasync flock \
fork fsync ftruncate kill link linkat listen mkdir mkdirat pidfd_send_signal prctl prlimit64 pwrite64 \
pwritev recvmsg rename renameat renameat2 rmdir sendmsg sendto setpriority setsid shutdown socket unlink \
unlinkat vfork wait4 waitid write writev".split(" "),
);

/** A call as it was watched: whose, and whether it makes or empties a file. */
export interface WatchedCall {
  readonly pid: number;
  readonly name: string;
  readonly creates: boolean;
}

/** The calls of one life in their order; those of each process are counted from one. */
export function callsOf(watched: readonly WatchedCall[]): Call[] {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  const calls: Call[] = [];
  for (const { pid, name, creates } of watched) {
    const nth = (counts.get(`${pid} ${name}`) ?? 0) + 1;
    counts.set(`${pid} ${name}`, nth);
    if (seen.has(`${name}:${nth}`)) continue;
    seen.add(`${name}:${nth}`);
    calls.push({ name, nth, isDeed: DEEDS.has(name) || creates });
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

/** As `both write:12 openat:3`. */
export function pointText({ mode, calls }: KillPoint): string {
  return [mode, ...calls.map(({ name, nth }) => `${name}:${nth}`)].join(" ");
}

export function parsePoint(text: string): KillPoint {
  const [mode, ...words] = text.split(" ");
  if (!MODES.includes(mode as Mode)) throw new Error(`no such mode: ${mode}`);
  const calls = words.map((word) => {
    const [name, nth] = word.split(":");
    return { name: name!, nth: Number(nth) };
  });
  const roles = ROLES[mode as Mode];
  if (calls.length !== roles.length) throw new Error(`${mode} needs a call for each of ${roles}`);
  return { mode: mode as Mode, calls };
}
