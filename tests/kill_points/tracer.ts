/** Runs a supervisor under tracer.c, which kills it or what comes of it at calls, or watches these. */

import type { Home } from "../e2e/home.ts";
import { type KillPoint, type Mode, type Role, ROLES, type WatchedCall } from "./points.ts";

/** The next supervisor of a machine begins in a pid namespace of its own too. */
export const MACHINE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** A kill more could be one at each start of a job again, for ever. */
const MOST_KILLS: Record<Role, number> = {
  supervisor: 1,
  keeper: 1,
  shim: 8,
  leader: 8,
  family: 16,
};

export interface Kill {
  readonly role: string;
  /** How many calls of each name the process had made. */
  readonly made: ReadonlyMap<string, number>;
}

interface Tracer {
  readonly path: string;
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

let tracer: Tracer | undefined;

/** Builds the tracer. Returns what does not let kill points be tried here; undefined when they can be. */
export async function obstacle(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "there is no ptrace(2) here";
  try {
    tracer ??= await build();
  } catch (error) {
    return `the tracer cannot be built: ${error instanceof Error ? error.message : error}`;
  }
  const point = word("supervisor", { name: "exit_group", nth: 1 });
  const { signal, stderr } = await new Deno.Command(tracer.path, {
    args: ["/dev/null", point, "--", "true"],
  }).output();
  if (signal === "SIGKILL") return undefined;
  return `nothing can be traced here: ${new TextDecoder().decode(stderr).trim()}`;
}

/** The words before the supervisor's own. */
export function killedAt(home: Home, { mode, calls }: KillPoint): string[] {
  return wrapper(home, mode, ROLES[mode].map((role, i) => word(role, calls[i]!)));
}

export function watched(home: Home, mode: Mode): string[] {
  return wrapper(home, mode, ROLES[mode]);
}

/** Who was killed at a point. */
export function killsIn(home: Home): Kill[] {
  return home.lines("trace").filter((line) => line.startsWith("kill ")).map((line) => {
    const [, role, , , , ...made] = line.split(" ");
    const times = made.map((word) => word.split(":").map(Number) as [number, number]);
    return { role: role!, made: new Map(times.map(([call, times]) => [nameOf(call), times])) };
  });
}

export function callsIn(home: Home): WatchedCall[] {
  return home.lines("trace").filter((line) => line.startsWith("call ")).map((line) => {
    const [, pid, call, creates] = line.split(" ");
    return { pid: Number(pid), name: nameOf(Number(call)), creates: creates !== undefined };
  });
}

function wrapper(home: Home, mode: Mode, points: readonly string[]): string[] {
  const traced = [tracer!.path, `${home.directory}/trace`, ...points, "--"];
  return mode === "machine" ? [...MACHINE, ...traced] : traced;
}

function word(role: Role, { name, nth }: { name: string; nth: number }): string {
  const call = tracer!.numbers.get(name);
  if (call === undefined) throw new Error(`no such system call: ${name}`);
  return [role, call, nth, MOST_KILLS[role]].join(":");
}

function nameOf(call: number): string {
  return tracer!.names.get(call) ?? String(call);
}

async function build(): Promise<Tracer> {
  const directory = Deno.makeTempDirSync({ prefix: "holdfast-tracer-" });
  addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  const path = `${directory}/tracer`;
  const source = new URL("tracer.c", import.meta.url).pathname;
  const flags = "-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1".split(" ");
  await compile([...flags, source, "-o", path]);
  const numbers = callNumbers(
    await compile("-E -dM -include sys/syscall.h -x c /dev/null".split(" ")),
  );
  return { path, numbers, names: new Map([...numbers].map(([name, call]) => [call, name])) };
}

async function compile(args: string[]): Promise<string> {
  const compiler = Deno.env.get("CC") ?? "cc";
  const { success, stdout, stderr } = await new Deno.Command(compiler, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** `#define __NR_read 63`; some by another name: `#define __NR_fcntl __NR3264_fcntl`. */
function callNumbers(macros: string): Map<string, number> {
  const defined = [...macros.matchAll(/^#define (__NR\w+) (\w+)$/gm)];
  const values = new Map(defined.map(([, macro, value]) => [macro!, value!]));
  const numbers = new Map<string, number>();
  for (const [macro, value] of values) {
    const number = Number(values.get(value) ?? value);
    const isCall = macro.startsWith("__NR_") && Number.isInteger(number);
    if (isCall) numbers.set(macro.slice("__NR_".length), number);
  }
  return numbers;
}
