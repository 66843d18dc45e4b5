/** The shim's contract, on every shell that is here: it is run as the supervisor runs it. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { onCpus } from "../../src/host/affinity.ts";
import { cpuIds } from "../../src/host/capacity.ts";
import { cString, libc, O_CLOEXEC } from "../../src/host/libc.ts";
import { findNice } from "../../src/host/nice.ts";
import { type Shell, Spawner } from "../../src/host/spawn.ts";
import { openSessionProgram } from "../../src/host/session_program.ts";
import {
  CLAIM_LOST,
  parseClaim,
  parseExitRecord,
  parseProc,
  RUN_GONE,
  shimScript,
} from "../../src/host/shim_script.ts";
import { MIN_OPEN_FILES } from "../../src/job/limits.ts";
import type { ShimStart } from "../../src/ports.ts";
import { ownCgroup } from "../../src/host/cgroup_ground.ts";
import { removeCgroup } from "../../src/host/cgroups.ts";
import { PLAIN_CGROUPS } from "../e2e/grounds.ts";
import { until } from "../e2e/home.ts";

/** With our own program to make a session, and with setsid(1). */
const SHELLS: [string, Shell & { setsid?: true }][] = [
  ["sh", { path: "/bin/sh", name: "sh" }],
  ["sh and setsid", { path: "/bin/sh", name: "sh", setsid: true }],
  ["dash", { path: "/usr/bin/dash", name: "sh" }],
  ["bash", { path: "/usr/bin/bash", name: "sh" }],
  ["bash and setsid", { path: "/usr/bin/bash", name: "sh", setsid: true }],
  ["busybox ash", { path: "/usr/bin/busybox", name: "ash" }],
  ["busybox ash and setsid", { path: "/usr/bin/busybox", name: "ash", setsid: true }],
];
const TOKEN = "a-token";
const SETSID = ["/usr/bin/setsid", "--"];
const PATH = Deno.env.get("PATH")!;
const SETUP = { nice: findNice(), boundsProcesses: true };

type Bounds = Partial<Pick<ShimStart, "limits" | "cpuSet" | "cgroup" | "environment">>;

class Run implements Disposable {
  readonly directory = Deno.makeTempDirSync();

  constructor(readonly shell: Shell & { setsid?: true }) {
    Deno.mkdirSync(`${this.directory}/runs/1`, { recursive: true });
    Deno.mkdirSync(`${this.directory}/exits`);
  }

  /** Returns the shim's pid. */
  start(command: string[], directory = "/", bounds: Bounds = {}): number {
    if (this.shell.setsid) return this.startBy(SETSID, undefined, command, directory, bounds);
    const program = openSessionProgram(this.directory)!;
    const pid = this.startBy(["/absent"], program, command, directory, bounds);
    libc.close(program);
    return pid;
  }

  startBy(
    setsid: string[],
    program: number | undefined,
    command: string[],
    directory = "/",
    bounds: Bounds = {},
  ): number {
    const hasProgram = program !== undefined;
    const script = shimScript({ hasProgram, setsid, softFileLimit: 1024 });
    const environment = { PATH };
    const start = { id: 1, attempt: 1, token: TOKEN, directory, command, environment, ...bounds };
    const means = { stateDirectory: this.directory, script, setup: SETUP, program };
    const spawned = new Spawner({ ...means, shell: this.shell }).spawnHere(start);
    assert("pid" in spawned);
    return spawned.pid;
  }

  /** The shim's own exit status when it has ended. */
  async run(command: string[], directory?: string, bounds?: Bounds): Promise<number> {
    return await ended(this.start(command, directory, bounds));
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.directory}/${path}`);
  }

  has(path: string): boolean {
    try {
      Deno.lstatSync(`${this.directory}/${path}`);
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

for (const [name, shell] of SHELLS) {
  const ignore = !exists(shell.path);

  Deno.test({
    name: `${name}: claim, leader and exit record are true`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const shim = run.start(["sh", "-c", "cut -d' ' -f1,5,6,22 /proc/$$/stat; exit 7"]);
      await ended(shim);
      const claim = parseClaim(run.read("runs/1/claim"));
      assert(claim.kind === "signed");
      assertEquals([claim.shim.pid, claim.token], [shim, TOKEN]);
      const leader = parseProc(run.read("runs/1/proc"))!;
      const [pid, group, session, start] = run.read("runs/1/stdout.log").trim().split(" ").map(
        Number,
      );
      assertEquals([pid, group, session, start], [
        leader.pid,
        leader.pid,
        leader.pid,
        leader.startTicks,
      ]);
      const record = parseExitRecord(run.read("exits/1"));
      assertEquals([record?.status, typeof record?.writtenBytes], [7, "number"]);
    },
  });

  Deno.test({
    name: `${name}: whoever claims first wins, and the other runs nothing`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      Deno.writeTextFileSync(`${run.directory}/runs/1/claim`, "fence\n");
      assertEquals(await run.run(["touch", `${run.directory}/ran`]), CLAIM_LOST);
      assertEquals([run.has("ran"), run.has("exits/1"), run.has("runs/1/proc")], [
        false,
        false,
        false,
      ]);
    },
  });

  Deno.test({
    name: `${name}: without its run directory it runs nothing`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      Deno.removeSync(`${run.directory}/runs/1`);
      assertEquals(await run.run(["touch", `${run.directory}/ran`]), RUN_GONE);
      assertEquals(run.has("ran"), false);
    },
  });

  Deno.test({
    name: `${name}: the job has default signals and three descriptors`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      await run.run(["sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd"]);
      const output = run.read("runs/1/stdout.log");
      assertMatch(output, /SigBlk:\s+0{16}\nSigIgn:\s+0{16}\n/);
      assertEquals(
        output.split("\n").slice(2).join(" ").trim(),
        "0 1 2 3",
        "3 is ls reading the directory",
      );
    },
  });

  Deno.test({
    name: `${name}: it survives every signal it can catch and records the end`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const shim = run.start(
        ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 5"],
        run.directory,
      );
      await until(
        "the leader is known",
        () => run.has("runs/1/proc") && parseProc(run.read("runs/1/proc")),
      );
      for (
        const signal of [
          "SIGHUP",
          "SIGINT",
          "SIGQUIT",
          "SIGTERM",
          "SIGPIPE",
          "SIGUSR1",
          "SIGUSR2",
          "SIGALRM",
        ] as const
      ) {
        Deno.kill(shim, signal);
      }
      Deno.writeTextFileSync(`${run.directory}/go`, "");
      await ended(shim);
      assertEquals(parseExitRecord(run.read("exits/1"))?.status, 5);
    },
  });

  Deno.test({
    name: `${name}: it does not outlive its state directory`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const shim = run.start(["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"], "/tmp");
      const leader = await until(
        "the leader is known",
        () => parseProc(run.has("runs/1/proc") ? run.read("runs/1/proc") : ""),
      );
      Deno.removeSync(`${run.directory}/runs`, { recursive: true });
      Deno.removeSync(`${run.directory}/exits`, { recursive: true });
      Deno.kill(leader.pid, "SIGKILL");
      assertEquals(await ended(shim), RUN_GONE);
    },
  });

  Deno.test({
    name: `${name}: it joins its cgroup before its command runs, or runs nothing`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const cgroup = `${run.directory}/cgroup`;
      Deno.mkdirSync(cgroup);
      Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, "");
      await ended(run.start(["cat", `${cgroup}/cgroup.procs`], "/", { cgroup }));
      assertEquals(run.read("runs/1/stdout.log"), "0\n");
      using other = new Run(shell);
      await ended(other.start(["true"], "/", { cgroup: other.directory }));
      assertMatch(other.read("runs/1/refused"), /cannot join its cgroup/);
    },
  });

  Deno.test({
    name: `${name}: a cgroup that was removed while it was empty is made again`,
    ignore: ignore || !PLAIN_CGROUPS,
    fn: async () => {
      using run = new Run(shell);
      const { directory } = ownCgroup() as { directory: string };
      const group = `${directory}/holdfast-test-${crypto.randomUUID()}`;
      await ended(run.start(["cat", "/proc/self/cgroup"], "/", { cgroup: `${group}/job-1-token` }));
      assertMatch(run.read("runs/1/stdout.log"), /^0::.*\/job-1-token$/m);
      assert(removeCgroup(group));
    },
  });

  Deno.test({
    name: `${name}: a death by signal is recorded as 128+n`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      await run.run(["sh", "-c", "kill -9 $$"]);
      assertEquals(parseExitRecord(run.read("exits/1"))?.status, 137);
    },
  });

  Deno.test({
    name: `${name}: what cannot be executed is refused with its cause`,
    ignore,
    fn: async () => {
      const cases: [string[], string, RegExp][] = [
        [["no-such-command"], "/", /not found in PATH/],
        [["/no/such"], "/", /not found: \/no\/such/],
        [["/etc/passwd"], "/", /not executable/],
        [["/tmp"], "/", /is a directory/],
        [["true"], "/no/such", /cannot enter the directory \/no\/such/],
      ];
      for (const [command, directory, cause] of cases) {
        using run = new Run(shell);
        await run.run(command, directory);
        assertMatch(run.read("runs/1/refused"), cause);
        assertEquals(parseExitRecord(run.read("exits/1"))?.status, 127);
      }
    },
  });

  Deno.test({
    name: `${name}: an empty word of PATH is the directory, at its end too`,
    ignore,
    fn: async () => {
      for (const path of [`${PATH}:`, ":", `:${PATH}`, ""]) {
        using run = new Run(shell);
        const command = `${run.directory}/here-it-is`;
        Deno.writeTextFileSync(command, "#!/bin/sh\n:\n", { mode: 0o755 });
        await run.run(["here-it-is"], run.directory, { environment: { PATH: path } });
        assertEquals(parseExitRecord(run.read("exits/1"))?.status, 0, `PATH=${path}`);
      }
    },
  });

  Deno.test({
    name: `${name}: what a shell takes for its own does not harm it, and does not reach the job`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const own = { IFS: "x", OLDPWD: "/absent", OPTIND: "none", PPID: "none" };
      await run.run(["env"], "/", { environment: { PATH, ...own, OTHER: "whole" } });
      const names = run.read("runs/1/stdout.log").split("\n").map((line) => line.split("=")[0]!);
      assertEquals(names.filter((name) => name in own || name === "OTHER"), ["OTHER"]);
    },
  });

  Deno.test({
    name: `${name}: soft and hard limits, umask and niceness are the job's and not the shim's`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const limits = {
        openFiles: 100,
        coreSize: 1025,
        fileSize: 9007199254740991,
        stackSize: 1 << 20,
        processes: 5000,
        nice: SETUP.nice!.own + 3,
        umask: "0027",
      };
      const script = "cat /proc/self/limits; grep -E ^Max.open /proc/$(cut -d' ' -f4 " +
        "/proc/$$/stat)/limits; echo umask $(umask) nice $(nice)";
      await run.run(["sh", "-c", script, "--odd"], "/", { limits });
      const output = run.read("runs/1/stdout.log");
      assertMatch(output, /Max open files +100 +100 /);
      assertMatch(output, /Max core file size +1536 +1536 /);
      assertMatch(output, /Max file size +9007199254740992 +9007199254740992 /);
      assertMatch(output, /Max stack size +1048576 +1048576 /);
      assertMatch(output, /Max processes +5000 +5000 /);
      const shims = [...output.matchAll(/Max open files +(\d+)/g)][1];
      assert(Number(shims?.[1]) > 100, output);
      assertMatch(output, new RegExp(`umask 0?027 nice ${limits.nice}\n`));
      assertEquals(run.read("runs/1/stderr.log"), "");
    },
  });

  Deno.test({
    name: `${name}: a limit that cannot be set is refused by its name, and nothing runs`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const limits = { openFiles: 2_000_000_000, fileSize: 0, umask: "777" };
      await run.run(["touch", `${run.directory}/ran`], "/", { limits });
      assertEquals(run.read("runs/1/refused"), "cannot set openFiles to 2000000000\n");
      assertEquals([parseExitRecord(run.read("exits/1"))?.status, run.has("ran")], [127, false]);
    },
  });

  Deno.test({
    name: `${name}: with the fewest open files a job runs, and what is refused is told`,
    ignore,
    fn: async () => {
      const limits = { openFiles: MIN_OPEN_FILES, umask: "0" };
      using run = new Run(shell);
      await run.run(["echo", "here"], "/", { limits });
      assertEquals(run.read("runs/1/stdout.log"), "here\n");
      using refused = new Run(shell);
      await refused.run(["no-such-command"], "/", { limits });
      assertMatch(refused.read("runs/1/refused"), /not found in PATH/);
    },
  });

  Deno.test({
    name: `${name}: shim and job run on the CPUs of their set, and nobody else is bound`,
    ignore,
    fn: async () => {
      using run = new Run(shell);
      const mine = cpuIds();
      const cpuSet = [mine.at(-1)!];
      const allowed = "grep Cpus_allowed_list /proc/$$/status /proc/$PPID/status | cut -f2";
      await run.run(["sh", "-c", allowed], "/", { cpuSet });
      assertEquals(run.read("runs/1/stdout.log"), `${cpuSet[0]}\n${cpuSet[0]}\n`);
      assertEquals(cpuIds(), mine);
    },
  });
}

Deno.test("a CPU that is not there refuses the start, and leaves the thread as it was", () => {
  using run = new Run(SHELLS[0]![1]);
  const mine = cpuIds();
  const script = shimScript({ hasProgram: false, setsid: SETSID, softFileLimit: 1024 });
  const start = { id: 1, attempt: 1, token: TOKEN, directory: "/", command: ["true"] };
  const spawner = new Spawner({ stateDirectory: run.directory, script, setup: SETUP });
  const spawned = spawner.spawnHere({ ...start, environment: {}, cpuSet: [8191] });
  assert("refused" in spawned && spawned.by === "node");
  assertMatch(spawned.refused, /CPUs 8191: Invalid argument/);
  assertEquals(cpuIds(), mine);
});

Deno.test("where the session program can no longer be executed, setsid takes its place", async () => {
  using run = new Run(SHELLS[0]![1]);
  const path = `${run.directory}/program`;
  Deno.writeTextFileSync(path, "", { mode: 0o600 });
  const program = libc.open(cString(path), O_CLOEXEC, 0);
  const command = ["sh", "-c", "cut -d' ' -f1,6 /proc/$$/stat; ls /proc/self/fd"];
  await ended(run.startBy(SETSID, program, command));
  libc.close(program);
  const [ids, ...descriptors] = run.read("runs/1/stdout.log").trimEnd().split("\n");
  const [pid, session] = ids!.split(" ");
  assertEquals([session, descriptors], [pid, ["0", "1", "2", "3"]]);
});

Deno.test("a start that throws leaves the thread on the CPUs that it had", () => {
  const mine = cpuIds();
  let inside: number[] = [];
  try {
    onCpus([mine[0]!], () => {
      inside = cpuIds();
      throw new Error("no start");
    });
  } catch {
    // It is what was thrown above.
  }
  assertEquals([inside, cpuIds()], [[mine[0]!], mine]);
});

Deno.test("a record tells bytes read and written, and that of an older shim does not", () => {
  const [status, userTicks, systemTicks] = [7, 1, 2];
  const times = { status, userTicks, systemTicks };
  const bytes = (readBytes?: number, writtenBytes?: number) => ({ readBytes, writtenBytes });
  assertEquals(parseExitRecord("7 1 2 4096 8192\n"), { ...times, ...bytes(4096, 8192) });
  assertEquals(parseExitRecord("7 1 2\n"), { ...times, ...bytes() });
  assertEquals(parseExitRecord("7 1 2 4096\n"), undefined);
});

Deno.test("a record that was cut short does not count", () => {
  assertEquals(parseExitRecord("0 1 2"), undefined);
  assertEquals(parseExitRecord(""), undefined);
  assertEquals(parseClaim("12 34").kind, "unsigned");
  assertEquals(parseClaim("").kind, "unsigned");
  assertEquals(parseProc("12"), undefined);
});

async function ended(pid: number): Promise<number> {
  const status = new Int32Array(1);
  const WNOHANG = 1;
  await until(
    "the shim has ended",
    () => libc.waitpid(pid, new Uint8Array(status.buffer), WNOHANG) === pid,
  );
  return status[0]! >> 8;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
