/**
 * Processes that try to outlive their job, on each ground that is here: when the job has ended or has
 * been cancelled, by its own supervisor or by the next, none of them is left, and nobody else is hurt.
 */

import { assert, assertEquals } from "../assert.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { GROUNDS, type JobGround } from "./grounds.ts";
import { Home, IS_ROOT, isAlive, until } from "./home.ts";

const NOBODY = 65534;

interface Escaper {
  readonly name: string;
  /** Shell that starts it; each of its processes writes its pid to `file` when it is where it wants to be. */
  readonly start: (file: string) => string;
  readonly processes?: number;
}

const sleeper = (file: string) => `echo $$ >>${file}; exec sleep 1000`;
const perl = (script: string) => `perl -e '${script}' &`;
const note = (file: string) => `open(F, ">>", "${file}"); syswrite(F, "$$\\n"); close(F);`;

/** It forks twice, and changes its session, its name and its directory. */
const DISGUISED = (file: string) =>
  `perl -e 'use POSIX; $0 = "kworker/0:1"; exit if fork; setsid; exit if fork; chdir "/";
    POSIX::close($_) for 0..255; ${note(file)} sleep 1000'`;

const ESCAPERS: readonly Escaper[] = [
  { name: "a child", start: (file) => `sh -c '${sleeper(file)}' &` },
  {
    name: "a double fork",
    start: (file) => `sh -c "sh -c '${sleeper(file).replaceAll("$", "\\$")}' &" &`,
  },
  { name: "a session of its own", start: (file) => `setsid sh -c '${sleeper(file)}' &` },
  {
    name: "a process group of its own",
    start: (file) => perl(`setpgrp(0, 0); ${note(file)} sleep 1000`),
  },
  { name: "nohup", start: (file) => `nohup sh -c '${sleeper(file)}' >/dev/null 2>&1 &` },
  {
    name: "a daemon that closes everything and changes directory",
    start: (file) =>
      perl(`use POSIX; exit if fork; setsid; exit if fork; chdir "/"; POSIX::close($_) for 0..255;
        ${note(file)} sleep 1000`),
  },
  {
    name: "a process that clears its environment",
    start: (file) => `env -i sh -c '${sleeper(file)}' &`,
  },
  {
    name: "a process that clears its environment in a session of its own",
    start: (file) => `env -i setsid sh -c '${sleeper(file)}' &`,
  },
  {
    name: "a process that nobody could know any more",
    start: (file) => `env -i ${DISGUISED(file)} &`,
  },
  {
    name: "a process that ignores SIGTERM",
    start: (file) => `setsid sh -c 'trap "" TERM; ${sleeper(file)}' &`,
  },
  {
    name: "a process that has stopped itself",
    start: (file) => `setsid sh -c 'echo $$ >>${file}; kill -STOP $$; sleep 1000' &`,
  },
  {
    name: "a fork bomb within its bounds",
    start: (file) =>
      perl(`$SIG{TERM} = "IGNORE"; for (1..12) { next if fork; ${note(file)}
        while (1) { my $child = fork; exit if defined $child and !$child; wait } } sleep 1000`),
    processes: 12,
  },
  {
    name: "processes that change their pids and sessions all the time",
    start: (file) =>
      perl(`use POSIX; $SIG{TERM} = "IGNORE"; for (1..3) { next if fork; ${note(file)}
        while (1) { exit if fork; setsid } }`),
    processes: 3,
  },
];

for (const makeGround of GROUNDS) {
  using described = makeGround();
  const { name } = described;
  for (const escaper of ESCAPERS) {
    Deno.test(`with ${name} ${escaper.name} does not outlive its job`, async () => {
      using ground = makeGround();
      await using home = new Home();
      await home.start(...ground.flags);
      await using escape = new Escape(home, ground, escaper);
      const bystander = await home.submit(["sleep", "1000"]);
      const { pid } = await home.running(bystander);

      // Without a cgroup its session counts once the supervisor has seen it run.
      const left = await escape.begin("read -r _ <go; exit 3");
      await home.running(left);
      Deno.writeTextFileSync(`${home.directory}/go`, "\n");
      await escape.none(left, "FAILED exit 3:0");

      const cancelled = await escape.begin("sleep 1000");
      await home.cancel(cancelled);
      await escape.none(cancelled, "CANCELLED cancelled");

      const adopted = await escape.begin("sleep 1000");
      await home.restart(...ground.flags);
      await home.cancel(adopted);
      await escape.none(adopted, "CANCELLED cancelled");

      assert(isAlive(pid!), "a process of another job has been ended");
      assertEquals((await home.status(bystander)).state, "RUNNING");
    });
  }
}

Deno.test({
  name: "for an ordinary user without cgroups a job that is over at once leaves nobody behind",
  ignore: !IS_ROOT,
  fn: async () => {
    await using home = new Home();
    Deno.chownSync(home.directory, NOBODY, NOBODY);
    const wrapper = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    home.launch(["--cgroup", "off"], wrapper);
    await until("a supervisor answers", () => home.answers());
    for (const then of ["exit 3", "kill -9 $$"]) {
      const file = `${home.directory}/escaped`;
      Deno.writeTextFileSync(file, "");
      Deno.chownSync(file, NOBODY, NOBODY);
      const id = await home.submit(`env -i ${DISGUISED(file)}; ${then}`, { grace: 1 });
      const job = await home.wait(id);
      assertEquals(endOf(job), then.startsWith("exit") ? "FAILED exit 3:0" : "FAILED signal 0:9");
      assertEquals(home.lines("escaped").map(Number).filter(isAlive), []);
      assertEquals(disguisedOf(NOBODY), [], "one that had not told its pid yet is left");
    }
  },
});

/** Processes of a user that call themselves so. */
function disguisedOf(uid: number): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return Deno.statSync(`/proc/${pid}`).uid === uid &&
        Deno.readTextFileSync(`/proc/${pid}/cmdline`).startsWith("kworker/0:1") && isAlive(pid);
    } catch {
      return false;
    }
  });
}

class Escape implements AsyncDisposable {
  readonly #files: string[] = [];

  constructor(
    private readonly home: Home,
    private readonly ground: JobGround,
    private readonly escaper: Escaper,
  ) {}

  /** A job whose escapers are where they want to be. */
  async begin(then: string): Promise<number> {
    const { home, escaper } = this;
    const file = `escaped.${this.#files.length}`;
    this.#files.push(file);
    const count = escaper.processes ?? 1;
    const started = escaper.start(`${home.directory}/${file}`);
    const wait = `until [ "$(wc -l <${file})" = ${count} ]; do sleep 0.02; done`;
    const id = await home.submit(
      `[ -p go ] || mkfifo go; true >${file}; ${started} ${wait}; ${then}`,
      { grace: 1 },
    );
    await until("they have escaped", () => home.lines(file).length === count);
    return id;
  }

  async none(id: number, end: string): Promise<void> {
    const job = await this.home.wait(id);
    assert(endOf(job).startsWith(end), `${endOf(job)}: ${this.home.log}`);
    assertEquals(this.#pids().filter(isAlive), []);
    if (!this.ground.hasCgroups) return;
    // Its cgroup can be removed only when nobody is in it.
    const { node } = await this.home.use((client) => client.call("Node", {}));
    await until(
      "its cgroup is removed",
      () => ![...Deno.readDirSync(node.cgroup!)].some(({ name }) => name.startsWith(`job-${id}-`)),
    );
  }

  #pids(): number[] {
    return this.#files.flatMap((file) => this.home.lines(file)).map(Number);
  }

  /** Those that the home does not know by their environment. */
  [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.#pids()) if (isAlive(pid)) Deno.kill(pid, "SIGKILL");
    return Promise.resolve();
  }
}

function endOf({ state, reason, exitCode }: Job): string {
  return `${state} ${reason} ${exitCode}`;
}
