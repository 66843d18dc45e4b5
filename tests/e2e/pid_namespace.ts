/**
 * A pid namespace for one test, in which pids can be chosen: its pid 1 is a small shell that reaps,
 * so that it outlives the supervisor, and strangers can be given the pids of processes that are gone.
 * It ends with everything in it.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { type Home, until } from "./home.ts";

/** Notes each signal that reaches it. It waits within the shell, so it starts no other process. */
const STRANGER = `
for signal in HUP INT QUIT USR1 USR2 TERM CONT; do trap "echo $signal >>'$1'" $signal; done
mkfifo "$1.never"; exec 3<>"$1.never"
echo up >>"$1"
while :; do read -r _ <&3; done`;

/** Runs `words` as pid $1, if that one is free and nobody takes it first. */
const AS_PID = `
pid=$1; shift
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
"$@" >/dev/null 2>&1 </dev/null &
[ $! = $pid ] || { kill -KILL $!; exit 1; }`;

/** alone: in the shell's session; leader: of a session of its number; member: of that, alone left. */
export type Place = "alone" | "leader" | "member";

export class PidNamespace implements AsyncDisposable {
  #strangers = 0;

  private constructor(
    private readonly home: Home,
    private readonly unshare: Deno.ChildProcess,
    private readonly init: number,
  ) {}

  static async open(home: Home): Promise<PidNamespace> {
    const script = "sleep infinity & while :; do wait; done";
    const flags = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    const unshare = home.spawn("unshare", [...flags, "sh", "-c", script]);
    const init = await until(
      "the namespace has a pid 1",
      () => Number(Deno.readTextFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`)),
    );
    const namespace = new PidNamespace(home, unshare, init);
    await until(
      "its /proc is mounted",
      async () => (await namespace.run("[ $$ -lt 1000 ]")).success,
    );
    return namespace;
  }

  get #enter(): string[] {
    return ["nsenter", "--target", String(this.init), "--pid", "--mount"];
  }

  /** Starts a supervisor within, which dies when `home.crash` kills what holds it. */
  async start(...flags: string[]): Promise<void> {
    this.home.launch(flags, [...this.#enter, "setpriv", "--pdeathsig", "KILL"]);
    await until(`a supervisor answers; log: ${this.home.log}`, () => this.home.answers());
  }

  async crash(): Promise<void> {
    const { node } = await this.home.use((client) => client.call("Node", {}));
    await this.home.crash();
    await this.gone(node.pid);
  }

  async run(script: string, ...words: (string | number)[]) {
    const [program, ...args] = this.#enter;
    return await new Deno.Command(program!, {
      args: [...args, "sh", "-c", script, "sh", ...words.map(String)],
      env: this.home.environment,
      clearEnv: true,
      stdin: "null",
      stderr: "null",
    }).output();
  }

  async gone(...pids: number[]): Promise<void> {
    await until(`pids ${pids} are free`, async () => {
      const { success } = await this.run("for p; do [ ! -e /proc/$p ] || exit 1; done", ...pids);
      return success;
    });
  }

  async kill(...pids: number[]): Promise<void> {
    assert((await this.run('kill -KILL "$@"', ...pids)).success, `kill ${pids}`);
    await this.gone(...pids);
  }

  /** A process that has nothing to do with any job, under a pid that is free now. */
  async stranger(pid: number, place: Place = "alone"): Promise<Stranger> {
    const name = `stranger.${++this.#strangers}`;
    const body = ["sh", "-c", STRANGER, "stranger", `${this.home.directory}/${name}`];
    const words = {
      alone: body,
      leader: ["setsid", ...body],
      member: ["setsid", "sh", "-c", '"$@" & echo $! >"$5.pid"', "sh", ...body],
    }[place];
    await until(
      `a stranger is pid ${pid}`,
      async () => (await this.run(AS_PID, pid, ...words)).success,
    );
    await until("it is up", () => this.home.lines(name).length > 0);
    if (place !== "member") return new Stranger(this, this.home, name, pid);
    await this.gone(pid);
    return new Stranger(this, this.home, name, Number(this.home.lines(`${name}.pid`)[0]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unshare.kill("SIGKILL");
    await this.unshare.status;
  }
}

export class Stranger {
  constructor(
    private readonly namespace: PidNamespace,
    private readonly home: Home,
    private readonly name: string,
    readonly pid: number,
  ) {}

  /** It lives, and no signal has reached it. */
  async assertUntouched(): Promise<void> {
    const { stdout } = await this.namespace.run('cat "/proc/$1/stat"', this.pid);
    assertMatch(new TextDecoder().decode(stdout), /^\d+ \(.*\) S /, "the stranger is gone");
    assertEquals(this.home.lines(this.name), ["up"], "the stranger was signalled");
  }
}
