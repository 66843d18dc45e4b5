/**
 * Runs the supervisor and the shims of chosen jobs under strace, which kills them at a call
 * (`inject=NAME:signal=KILL:when=N`). With -D the traced process stays the child that was started
 * and keeps its pid, so nobody else can tell the difference.
 */

import type { Home } from "../e2e/home.ts";
import type { Call, KillPoint } from "./points.ts";

/** In the environment of a job whose shim is traced: the options of its strace. */
export const SHIM_TRACE = "HOLDFAST_TEST_SHIM_TRACE";

/** What does not let kill points be tried here; undefined when they can be. */
export async function obstacle(): Promise<string | undefined> {
  try {
    const options = ["-D", "-qq", "-o", "/dev/null", ...killAt({ name: "exit_group", nth: 1 })];
    const { signal, stderr } = await new Deno.Command("strace", {
      args: [...options, "true"],
    }).output();
    if (signal === "SIGKILL") return undefined;
    return `strace cannot trace here: ${new TextDecoder().decode(stderr).trim()}`;
  } catch {
    return "strace is not here; install it with: apt-get install strace";
  }
}

/** Where strace notes who was killed. */
const killsPath = (home: Home) => `${home.directory}/kills`;

/** How many processes were killed at their points. */
export function killsIn(home: Home): number {
  return home.lines("kills").filter((line) => line.includes("killed by SIGKILL")).length;
}

function noted(home: Home, call: Call): string[] {
  return ["-A", "-o", killsPath(home), ...killAt(call)];
}

function killAt({ name, nth }: Call): string[] {
  return ["-e", `trace=${name}`, "-e", `inject=${name}:signal=KILL:when=${nth}`];
}

/** Writes the calls of one process, or of all that come of it, to a file. */
export function trace(path: string): string[] {
  return ["-s", "0", "-o", path];
}

/** The words before the supervisor's own that have it killed at its point, or do as `options` say. */
export function supervisorWrapper(
  home: Home,
  { mode, supervisor, shim }: KillPoint,
  options = supervisor && noted(home, supervisor),
): string[] {
  const strace = options
    ? ["strace", "-D", "-q", ...mode === "spawn" ? ["-f"] : [], ...options]
    : [];
  if (mode === "machine") return [...MACHINE, ...strace];
  return shim ? [...withShell(home), ...strace] : strace;
}

/** The next supervisor of a machine begins in a pid namespace of its own too. */
export const MACHINE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** One string, since it travels in an environment variable. */
export function shimOptions(home: Home, { mode, shim }: KillPoint): string {
  const follow = mode === "family" ? ["-f"] : [];
  return [...follow, ...noted(home, shim!)].join(" ");
}

/** Puts a shell of ours over /bin/sh, in a mount namespace that ends with its last process. */
function withShell(home: Home): string[] {
  const shell = `${home.directory}/sh`;
  Deno.copyFileSync("/bin/sh", shell);
  const environment = ["HOLDFAST_JOB_ID", "HOLDFAST_TOKEN", "HOLDFAST_SHIM"].concat(
    Object.keys(home.environment),
  ).map((name) => `-E ${name}="$${name}"`).join(" ");
  const wrapper = `${home.directory}/traced-sh`;
  // strace itself has no environment, lest it be taken for a process of the job.
  Deno.writeTextFileSync(
    wrapper,
    `#!${shell}
case "$3 $${SHIM_TRACE}" in
"holdfast-shim "?*)
  exec env -i PATH="$PATH" strace -D -q $${SHIM_TRACE} ${environment} ${shell} "$@" ;;
esac
exec ${shell} "$@"
`,
    { mode: 0o755 },
  );
  const mount = 'mount --bind "$0" /bin/sh && exec "$@"';
  return ["unshare", "--mount", "--propagation", "private", shell, "-c", mount, wrapper];
}
