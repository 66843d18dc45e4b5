/** Full and failing disks under a supervisor that runs, on the compiled binary. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { NodeStatus } from "../../src/varlink/interface.ts";
import { Disk, Fault } from "./disk.ts";
import { Home, IS_ROOT, until } from "./home.ts";

const HOLD = "while [ ! -e go ]; do sleep 0.05; done";
const ROOT = { ignore: !IS_ROOT };
const HAS_STRACE =
  new Deno.Command("sh", { args: ["-c", "command -v strace"] }).outputSync().success;

function release(home: Home): void {
  Deno.writeTextFileSync(`${home.directory}/go`, "");
}

async function node(home: Home): Promise<NodeStatus> {
  return (await home.use((client) => client.call("Node", {}))).node;
}

async function takesJobsAgain(home: Home): Promise<number> {
  return await until("jobs are taken again", () => home.submit(["true"]).catch(() => 0));
}

/** Ids in the order in which their jobs were executed. */
function ran(home: Home): number[] {
  return home.lines("ran").map(Number).sort((a, b) => a - b);
}

Deno.test(
  "on a full disk a submission is refused with exit 5 and told what to do",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=3m");
    await home.start();
    const running = await home.submit(`${HOLD}; exit 7`);
    await home.running(running);
    disk.fill();
    const { code, stdout, stderr } = await home.run("submit", "--", "true");
    assertEquals([code, stdout], [5, ""]);
    assertMatch(
      stderr,
      /the journal cannot be written \(.*full\); nothing was accepted, try again/,
    );
    assertMatch((await node(home)).degraded!, /full/);
    assertEquals((await home.status(running)).state, "RUNNING");
    disk.free();
    assertEquals((await home.wait(await takesJobsAgain(home))).state, "COMPLETED");
    assertEquals((await node(home)).degraded, undefined);
    release(home);
    assertEquals((await home.wait(running)).exitCode, "7:0");
  },
);

Deno.test(
  "what was acknowledged while the disk filled up runs once, and nothing else does",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=8m");
    await home.start("--cpus", "3");
    const acknowledged: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (let refused = 0, tried = 0; refused < 5; tried++) {
        const id = await home.submit("echo $HOLDFAST_JOB_ID >> ran; exit 3").catch(() => 0);
        if (id > 0) acknowledged.push(id);
        else refused++;
        if (tried === 20) disk.fill();
      }
      disk.free();
      acknowledged.push(await takesJobsAgain(home));
    }
    const jobs = await Promise.all(acknowledged.map((id) => home.wait(id)));
    assert(jobs.every(({ released }) => released));
    const scripts = jobs.filter(({ spec }) => spec.command[0] === "sh");
    assert(scripts.every(({ exitCode }) => exitCode === "3:0"), home.log);
    assertEquals(ran(home), scripts.map(({ id }) => id).sort((a, b) => a - b));
    assertEquals((await node(home)).cpusAllocated, 0);
  },
);

Deno.test("an end on a full disk is not lost, and is told when there is space", ROOT, async () => {
  await using home = new Home();
  await using disk = await Disk.mount(home.state, "size=3m");
  await home.start();
  const ids = [];
  for (const code of [0, 7, 9]) ids.push(await home.submit(`${HOLD}; exit ${code}`));
  const killed = await home.submit(`${HOLD}; kill -KILL $$`);
  for (const id of [...ids, killed]) await home.running(id);
  disk.fill();
  release(home);
  const leaders = await Promise.all(
    [...ids, killed].map(async (id) => (await home.status(id)).pid!),
  );
  await until(
    "the leaders have ended",
    () => leaders.every((pid) => !home.processes().includes(pid)),
  );
  for (const id of ids) assertEquals((await home.status(id)).endedAt, undefined);
  disk.free();
  const jobs = await Promise.all([...ids, killed].map((id) => home.wait(id)));
  assertEquals(jobs.map(({ exitCode }) => exitCode), ["0:0", "7:0", "9:0", "0:9"]);
});

Deno.test(
  "a supervisor killed and started on a full disk answers, and reconciles with space",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=3m");
    await home.start("--cpus", "2");
    const ended = await home.submit(`${HOLD}; exit 7`);
    const running = await home.submit("while [ ! -e later ]; do sleep 0.05; done; exit 8");
    const queued = await home.submit("echo $HOLDFAST_JOB_ID >> ran");
    for (const id of [ended, running]) await home.running(id);
    disk.fill();
    await home.crash();
    release(home);
    await home.start("--cpus", "2");
    assertEquals((await home.status(running)).state, "RUNNING");
    assertEquals((await home.run("submit", "true")).code, 5);
    disk.free();
    assertEquals((await home.wait(ended)).exitCode, "7:0");
    assertEquals((await home.wait(queued)).state, "COMPLETED");
    Deno.writeTextFileSync(`${home.directory}/later`, "");
    assertEquals((await home.wait(running)).exitCode, "8:0");
    assertEquals(ran(home), [queued]);
  },
);

Deno.test("a first start on a full disk is refused and says what to do", ROOT, async () => {
  await using home = new Home();
  await using disk = await Disk.mount(home.state, "size=256k");
  // What fills it is not ours, and so must not be all that is there.
  Deno.mkdirSync(`${home.state}/exits`);
  disk.fill();
  const { code, stderr } = await home.run("daemon");
  assertEquals(code, 1);
  assertMatch(stderr, /^holdfast: .*(make room|No space left)/);
  disk.free();
  await home.start();
});

for (const kind of ["size=64k", "nr_inodes=40"]) {
  const isInodes = kind.startsWith("nr_inodes");
  const fill = (disk: Disk) => isInodes ? disk.fillInodes() : disk.fill();

  Deno.test(
    `a job whose claim finds no room waits for it and runs once (runs/ with ${kind})`,
    ROOT,
    async () => {
      await using home = new Home();
      await using disk = await Disk.mount(`${home.state}/runs`, kind);
      await home.start();
      // Its run directory is there already: only the files in it find no room.
      Deno.mkdirSync(`${home.state}/runs/1`);
      fill(disk);
      const id = await home.submit("echo $HOLDFAST_JOB_ID >> ran; exit 4");
      await until("its shim is there", () => home.processes().length > 0);
      assertEquals((await home.status(id)).state, "STARTING");
      disk.free();
      assertEquals((await home.wait(id)).exitCode, "4:0");
      assertEquals(ran(home), [id]);
    },
  );

  Deno.test(
    `a job cancelled while its claim finds no room is ended as cancelled (runs/ with ${kind})`,
    ROOT,
    async () => {
      await using home = new Home();
      await using disk = await Disk.mount(`${home.state}/runs`, kind);
      await home.start();
      Deno.mkdirSync(`${home.state}/runs/1`);
      fill(disk);
      const id = await home.submit("echo $HOLDFAST_JOB_ID >> ran", { grace: 1 });
      await until("its shim is there", () => home.processes().length > 0);
      assertEquals((await home.cancel(id)).stopping, "cancel");
      disk.free();
      const job = await home.wait(id);
      assertEquals([job.state, job.released], ["CANCELLED", true], home.log);
      assert(ran(home).length <= 1);
      await until("nobody is left", () => home.processes().length === 0);
    },
  );

  Deno.test(
    `a supervisor killed while a claim finds no room starts the job once (runs/ with ${kind})`,
    ROOT,
    async () => {
      await using home = new Home();
      await using disk = await Disk.mount(`${home.state}/runs`, kind);
      await home.start();
      Deno.mkdirSync(`${home.state}/runs/1`);
      fill(disk);
      const id = await home.submit("echo $HOLDFAST_JOB_ID >> ran; exit 4");
      await until("its shim is there", () => home.processes().length > 0);
      await home.restart();
      disk.free();
      assertEquals((await home.wait(id)).exitCode, "4:0", home.log);
      assertEquals(ran(home), [id]);
    },
  );

  Deno.test(
    `an exit record that finds no room is written later, with the true code (exits/ with ${kind})`,
    ROOT,
    async () => {
      await using home = new Home();
      await using disk = await Disk.mount(`${home.state}/exits`, kind);
      await home.start();
      const id = await home.submit(`${HOLD}; exit 7`);
      const other = await home.submit(["sleep", "1000"]);
      const { pid } = await home.running(id);
      await home.running(other);
      fill(disk);
      release(home);
      await until("the leader has ended", () => !home.processes().includes(pid!));
      assertEquals((await home.cancel(id)).stopping, undefined, "its own exit decides");
      await home.cancel(other);
      await home.restart();
      assertEquals((await home.status(id)).endedAt, undefined);
      disk.free();
      assertEquals((await home.wait(id)).exitCode, "7:0");
      const cancelled = await home.wait(other);
      assertEquals([cancelled.state, cancelled.exitCode], ["CANCELLED", "0:15"]);
    },
  );
}

Deno.test(
  "exit records on a disk that turned read-only are written when it is writable",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(`${home.state}/exits`, "size=64k");
    await home.start();
    const id = await home.submit(`${HOLD}; exit 7`);
    const { pid } = await home.running(id);
    await disk.setReadOnly(true);
    release(home);
    await until("the leader has ended", () => !home.processes().includes(pid!));
    assertEquals((await home.status(id)).state, "RUNNING");
    await disk.setReadOnly(false);
    assertEquals((await home.wait(id)).exitCode, "7:0");
  },
);

Deno.test(
  "a job that fills the disk of its logs gets the error itself, and its own exit counts",
  ROOT,
  async () => {
    await using home = new Home();
    await using _disk = await Disk.mount(`${home.state}/runs`, "size=64k");
    await home.start();
    const id = await home.submit("head -c 1000000 /dev/zero 2>/dev/null || exit 9");
    assertEquals((await home.wait(id)).exitCode, "9:0");
    assert(home.stdout(id).length > 0);
    const next = await home.submit("exit 5");
    assertEquals((await home.status(next)).state === "QUEUED", false);
    await home.use((client) => client.call("Prune", { olderThan: 0 }));
    assertEquals((await home.wait(next)).exitCode, "5:0", home.log);
  },
);

for (const calls of ["pwrite64", "fdatasync,fsync"]) {
  Deno.test(`a journal that fails with EIO (${calls}) refuses jobs, and takes them again`, {
    ignore: !IS_ROOT || !HAS_STRACE,
  }, async () => {
    await using home = await Home.start();
    const running = await home.submit(`${HOLD}; exit 7`);
    await home.running(running);
    {
      await using _fault = await Fault.inject(home.pid, calls, "EIO");
      const { code, stderr } = await home.run("submit", "true");
      assertEquals(code, 5);
      assertMatch(stderr, /cannot be written \(.*I\/O/);
      release(home);
      await until(
        "its end waits on disk",
        () => [...Deno.readDirSync(`${home.state}/exits`)].length === 1,
      );
      assertEquals((await home.status(running)).state, "RUNNING");
    }
    assertEquals((await home.wait(running)).exitCode, "7:0", home.log);
    assertEquals((await home.wait(await takesJobsAgain(home))).state, "COMPLETED");
    await home.restart();
    assertEquals((await home.status(running)).exitCode, "7:0");
  });
}

Deno.test(
  "on a full disk a job can be signalled, so that one that fills it can be killed",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=3m");
    await home.start();
    const id = await home.submit(HOLD);
    await home.running(id);
    disk.fill();
    assertEquals((await home.run("submit", "--", "true")).code, 5);
    assertEquals((await home.run("signal", String(id), "KILL")).code, 0);
    disk.free();
    assertEquals((await home.wait(id)).exitCode, "0:9");
  },
);

Deno.test(
  "a stop that the journal refused at first begins with SIGTERM when it takes it",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=3m");
    await home.start();
    const id = await home.submit(["sleep", "1000"], { timeout: 2, grace: 5 });
    await home.running(id);
    disk.fill();
    await until("the timeout was refused", async () => (await node(home)).degraded !== undefined);
    disk.free();
    const job = await home.wait(id);
    assertEquals([job.reason, job.exitCode], ["timeout", "0:15"]);
  },
);

Deno.test(
  "while nothing can be started jobs stay queued, and the node says why",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(`${home.state}/runs`, "size=3m,nr_inodes=32");
    await home.start();
    disk.fillInodes();
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await home.submit("echo $HOLDFAST_JOB_ID >> ran; exit 3"));
    const { cannotStart } = await until("it says so", async () => {
      const now = await node(home);
      return now.cannotStart !== undefined && now.running === 0 && now;
    });
    assertMatch(cannotStart!, /No space left/);
    assertMatch(
      (await home.run("node")).stdout,
      /Starts: +none now, trying again: .*No space left/,
    );
    const states = await Promise.all(ids.map(async (id) => (await home.status(id)).state));
    assertEquals(states, ids.map(() => "QUEUED"));
    disk.free();
    const jobs = await Promise.all(ids.map((id) => home.wait(id)));
    assertEquals(jobs.map(({ exitCode }) => exitCode), ids.map(() => "3:0"));
    assertEquals(ran(home), ids);
    assertEquals((await node(home)).cannotStart, undefined);
  },
);
