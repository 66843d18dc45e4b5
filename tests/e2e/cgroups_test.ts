/** The cgroups of jobs: where they are made, what is told of them, what remains of them, and usage. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { NO_CGROUPS, PLAIN_CGROUPS } from "./grounds.ts";
import { Home, IS_ROOT, isAlive, until } from "./home.ts";

const WITH_CGROUPS = { ignore: !PLAIN_CGROUPS };
const FREEZER = "/sys/fs/cgroup/freezer";
const WITH_FREEZER = { ignore: !IS_ROOT || !isThere(`${FREEZER}/cgroup.procs`) };
const MIB = 1 << 20;

Deno.test("node tells that cgroups are switched off, and the log says it once", async () => {
  await using home = await Home.start("--cgroup", "off");
  const node = await nodeOf(home);
  assertEquals([node.cgroup, node.controllers], [undefined, undefined]);
  assertMatch(node.cgroupProblem!, /switched off/);
  assertEquals(home.log.match(/ cgroups .*/g)!.length, 1);
  assertMatch((await home.run("node")).stdout, /^Cgroups: +none \(switched off/m);
});

Deno.test("a cgroup directory that is none is refused by name", async () => {
  await using home = new Home();
  const { code, stderr } = await home.run("daemon", "--burst", "--cgroup", home.directory);
  assertEquals(code, 2);
  assert(stderr.includes(`cgroup ${home.directory} is not a directory of a cgroup2`), stderr);
});

Deno.test(
  "a job runs in a cgroup of its own, its shim outside, and nothing of it remains",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = await Home.start(...ground.flags);
    const { cgroup } = await nodeOf(home);
    assertMatch((await home.run("node")).stdout, /^Cgroups: +\/.*holdfast-/m);
    const id = await home.submit("mkfifo go; read -r _ <go");
    const { pid } = await home.running(id);
    await until("its command runs", () => isThere(`${home.directory}/go`));
    const [name] = jobCgroups(cgroup!);
    assertMatch(name!, new RegExp(`^job-${id}-`));
    assertEquals(Deno.readTextFileSync(`${cgroup}/${name}/cgroup.procs`), `${pid}\n`);
    Deno.writeTextFileSync(`${home.directory}/go`, "\n");
    await home.wait(id);
    await until("its cgroup is removed", () => jobCgroups(cgroup!).length === 0);
    assertEquals(await home.signal("SIGTERM"), 0);
    assert(!isThere(cgroup!), "the supervisor has left its own directory");
  },
);

Deno.test(
  "cgroups that a job has made below its own are ended and removed",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = await Home.start(...ground.flags);
    const { cgroup } = await nodeOf(home);
    const id = await home.submit(
      `cd ${cgroup}/job-$HOLDFAST_JOB_ID-*; mkdir -p a/b; env -i setsid sleep 1000 & left=$!
    echo $left >a/b/cgroup.procs; echo $left >${home.directory}/left`,
      { grace: 0 },
    );
    assertEquals((await home.wait(id)).exitCode, "0:0");
    assert(!isAlive(Number(home.lines("left")[0])));
    await until("its cgroup is removed", () => jobCgroups(cgroup!).length === 0);
  },
);

Deno.test(
  "a later supervisor without cgroups ends a job by the cgroup in its journal",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = await Home.start(...ground.flags);
    const id = await home.submit(
      "env -i setsid sh -c 'echo $$ >left; exec sleep 1000' & sleep 1000",
      { grace: 0 },
    );
    await home.running(id);
    const left = await until("it has left one", () => Number(home.lines("left")[0]));
    await home.restart(...NO_CGROUPS.flags);
    await home.cancel(id);
    assertEquals((await home.wait(id)).state, "CANCELLED");
    assert(!isAlive(left));
  },
);

Deno.test(
  "a node that cannot make cgroups keeps its jobs queued, and says why",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = await Home.start(...ground.flags);
    const { cgroup } = await nodeOf(home);
    Deno.writeTextFileSync(`${cgroup}/cgroup.max.descendants`, "0");
    const id = await home.submit("echo ran >>ran");
    const { cannotStart } = await until("it is told", async () => {
      const node = await nodeOf(home);
      return node.cannotStart !== undefined && node;
    });
    assertMatch(cannotStart!, /holdfast-.*job-/);
    assertEquals((await home.status(id)).state, "QUEUED");
    Deno.writeTextFileSync(`${cgroup}/cgroup.max.descendants`, "max");
    assertEquals((await home.wait(id)).state, "COMPLETED");
    assertEquals(home.lines("ran"), ["ran"]);
  },
);

Deno.test(
  "the cgroup of a supervisor is gone with it and its last job, or with the next one",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    const sleeping = ["sleep", "1000"];
    const ways: Record<string, (home: Home) => Promise<void>> = {
      "it is idle": async (home) => {
        await home.wait(await home.submit("true"));
        await home.signal("SIGTERM");
      },
      "it ends its jobs": async (home) => {
        await home.running(await home.submit(sleeping));
        await home.restart("--on-stop", "terminate", ...ground.flags);
        await home.signal("SIGTERM");
      },
      "it ends with its last job": async (home) => {
        await home.running(await home.submit("sleep 0.3"));
        await home.crash();
        home.launch(["--burst", ...ground.flags]);
        await home.ended();
      },
      "its last job ends after it": async (home) => {
        const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done");
        await home.running(id);
        await home.signal("SIGTERM");
        Deno.writeTextFileSync(`${home.directory}/go`, "");
        await until("the job has ended", () => isThere(`${home.state}/exits/${id}`));
        await home.start(...ground.flags);
        assertEquals((await home.wait(id)).exitCode, "0:0");
        await home.signal("SIGTERM");
      },
    };
    for (const [way, end] of Object.entries(ways)) {
      await using home = await Home.start(...ground.flags);
      const { cgroup } = await nodeOf(home);
      assert(isThere(cgroup!));
      await end(home);
      assert(!isThere(cgroup!), way);
    }
  },
);

Deno.test(
  "a start removes cgroups that nobody is in, and leaves those of unknown jobs that live",
  WITH_CGROUPS,
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = await Home.start(...ground.flags);
    const { cgroup } = await nodeOf(home);
    await home.crash();
    for (const name of ["job-98-aaaaaaaa/nested", "job-99-bbbbbbbb"]) {
      Deno.mkdirSync(`${cgroup}/${name}`, { recursive: true });
    }
    const stranger = home.spawn("sleep", ["1000"]);
    Deno.writeTextFileSync(`${cgroup}/job-99-bbbbbbbb/cgroup.procs`, String(stranger.pid));
    await home.start(...ground.flags);
    assertEquals(jobCgroups(cgroup!), ["job-99-bbbbbbbb"]);
    assertMatch(home.log, /WARN processes in the cgroup of an unknown job .*job-99-bbbbbbbb/);
    assert(isAlive(stranger.pid));
    stranger.kill("SIGKILL");
    await stranger.status;
  },
);

Deno.test("a job tells its CPU time, peak memory and the bytes it has written", async () => {
  await using home = await Home.start();
  const id = await home.submit(
    `perl -e '$x = "a" x ${300 * MIB}; open F, ">", "data"; syswrite F, "b" x ${
      4 * MIB
    };' && sync data`,
  );
  const { usage, state } = await home.wait(id);
  assertEquals(state, "COMPLETED");
  assert(usage!.userTimeMs + usage!.systemTimeMs > 0);
  assert(usage!.maxMemory! >= 300 * MIB, JSON.stringify(usage));
  // A file system in memory writes to no storage.
  assert([0, 4 * MIB].some((least) => usage!.writtenBytes! >= least), JSON.stringify(usage));
});

for (const ground of [() => NO_CGROUPS, ...PLAIN_CGROUPS ? [PLAIN_CGROUPS] : []]) {
  using described = ground();
  Deno.test(
    `with ${described.name} a job that cannot be killed says who lives, and keeps its resources`,
    WITH_FREEZER,
    async () => {
      using here = ground();
      await using home = await Home.start(...here.flags);
      using freezer = new Freezer();
      const id = await home.submit(["sleep", "1000"], { grace: 0, cpus: 2 });
      const { pid } = await home.running(id);
      freezer.freeze(pid!);
      await home.cancel(id);
      const { message, stopping } = await until("it is told", async () => {
        const job = await home.status(id);
        return job.message !== undefined && job;
      });
      assertMatch(message!, new RegExp(`1 process of it cannot be killed: ${pid} \\(sleep, D\\)`));
      assertEquals([stopping, (await nodeOf(home)).cpusAllocated], ["cancel", 2]);
      assertMatch(home.log, new RegExp(`processes do not end job=${id} .*${pid}`));
      freezer.thaw();
      const job = await home.wait(id);
      assertEquals([job.state, job.message, job.released], ["CANCELLED", undefined, true]);
    },
  );
}

Deno.test("a job whose leftovers are being ended says so", async () => {
  await using home = await Home.start();
  const id = await home.submit(
    `setsid sh -c 'trap "" TERM; echo $$ >left; exec sleep 1000' &
    until [ -s left ]; do sleep 0.02; done`,
    { grace: 3600 },
  );
  const { message, state } = await until("it is told", async () => {
    const job = await home.status(id);
    return job.message !== undefined && job;
  });
  const [left] = home.lines("left");
  assertEquals(state, "RUNNING");
  assertEquals(
    message,
    `its command has ended; 1 process it left behind is being ended: ${left}`,
  );
  Deno.kill(Number(left), "SIGKILL");
  const ended = await home.wait(id);
  assertEquals([ended.state, ended.message], ["COMPLETED", undefined]);
});

/** A cgroup of version 1: what is frozen in it dies of nothing until it is thawed. */
class Freezer implements Disposable {
  readonly #directory = `${FREEZER}/holdfast-test-${crypto.randomUUID()}`;

  constructor() {
    Deno.mkdirSync(this.#directory);
  }

  freeze(pid: number): void {
    Deno.writeTextFileSync(`${this.#directory}/cgroup.procs`, String(pid));
    Deno.writeTextFileSync(`${this.#directory}/freezer.state`, "FROZEN");
  }

  thaw(): void {
    Deno.writeTextFileSync(`${this.#directory}/freezer.state`, "THAWED");
  }

  [Symbol.dispose](): void {
    this.thaw();
    for (const pid of Deno.readTextFileSync(`${this.#directory}/cgroup.procs`).trim().split("\n")) {
      if (pid) Deno.writeTextFileSync(`${FREEZER}/cgroup.procs`, pid);
    }
    Deno.removeSync(this.#directory);
  }
}

async function nodeOf(home: Home) {
  return (await home.use((client) => client.call("Node", {}))).node;
}

function jobCgroups(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.startsWith("job-"));
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
