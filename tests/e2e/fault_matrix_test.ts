/**
 * One test for each row of the fault matrix: what is true of a job after the fault, to the last column,
 * and that it is still true after another kill -9 and start.
 */

import { assert, assertEquals } from "../assert.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { Home, until } from "./home.ts";

const UNTIL_GO = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two";

Deno.test("normal stop: jobs run on and end as they would have, under the next supervisor or under none", async () => {
  await using home = await Home.start();
  const away = await home.submit(`${UNTIL_GO}; exit 3`);
  const later = await home.submit("echo one; while [ ! -e later ]; do sleep 0.05; done; exit 4");
  const pids = [(await home.running(away)).pid, (await home.running(later)).pid];
  assertEquals(await home.signal("SIGTERM"), 0);
  assertEquals(allocation(home, later), { released: 0, cpus: 1, pid: pids[1]!, isTimed: false });
  go(home);
  await until("one ends while nobody is there", () => exits(home).length === 1);
  await home.start();
  const job = await home.status(later);
  assertEquals([job.state, job.adopted, job.pid, job.released], ["RUNNING", true, pids[1], false]);
  assertEquals(await cpusAllocated(home), 1);
  await isTrue(home, away, { end: "FAILED exit 3:0", stdout: "one\ntwo\n", pid: pids[0] }, 1);
  go(home, "later");
  await isTrue(home, later, { end: "FAILED exit 4:0", stdout: "one\n", pid: pids[1] });
});

Deno.test("supervisor crash: jobs run on and end as they would have, under the next supervisor or under none", async () => {
  await using home = await Home.start("--cpus", "2");
  const away = await home.submit(`${UNTIL_GO}; kill -TERM $$`);
  const later = await home.submit("echo one; while [ ! -e later ]; do sleep 0.05; done");
  const queued = await home.submit("echo $HOLDFAST_JOB_ID >> ran");
  const pids = [(await home.running(away)).pid, (await home.running(later)).pid];
  await home.crash();
  go(home);
  await until("one ends while nobody is there", () => exits(home).length === 1);
  await home.start("--cpus", "2");
  await isTrue(home, queued, { end: "COMPLETED exit 0:0", stdout: "" }, 1);
  assertEquals(home.lines("ran"), [String(queued)]);
  await isTrue(home, away, { end: "FAILED signal 0:15", stdout: "one\ntwo\n", pid: pids[0] }, 1);
  go(home, "later");
  await isTrue(home, later, { end: "COMPLETED exit 0:0", stdout: "one\n", pid: pids[1] });
});

Deno.test("machine down: what ran is FAILED reboot, what had ended keeps its exit code, what waited runs", async () => {
  await using home = await Home.start("--cpus", "2");
  const lost = await home.submit("echo one; exec sleep 1000");
  const recorded = await home.submit(`${UNTIL_GO}; exit 5`);
  const queued = await home.submit("echo $HOLDFAST_JOB_ID >> ran");
  const pids = [(await home.running(lost)).pid, (await home.running(recorded)).pid];
  await until("it has written", () => home.stdout(lost) !== "");
  await home.crash();
  go(home);
  await until("one ends", () => exits(home).length === 1);
  for (const pid of home.processes()) Deno.kill(pid, "SIGKILL");
  await until("nothing runs", () => home.processes().length === 0);
  home.edit("UPDATE resource_allocations SET boot_id = 'before'");
  await home.start("--cpus", "2");
  // It holds a CPU until then.
  await home.wait(queued);
  await isTrue(home, lost, { end: "FAILED reboot -999:0", stdout: "one\n", pid: pids[0] });
  await isTrue(home, recorded, { end: "FAILED exit 5:0", stdout: "one\ntwo\n", pid: pids[1] });
  await isTrue(home, queued, { end: "COMPLETED exit 0:0", stdout: "" });
  assertEquals(home.lines("ran"), [String(queued)]);
});

Deno.test("normal end: the exit code, the whole log, and everything released", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo one; setsid sleep 1000 & exit 7", { cpus: 3, grace: 1 });
  await isTrue(home, id, { end: "FAILED exit 7:0", stdout: "one\n", cpus: 3 });
});

Deno.test("timeout: the job and all that it started are ended, and it says why", async () => {
  await using home = await Home.start();
  const stubborn = "trap '' TERM; setsid sleep 1000 & echo one; while :; do sleep 0.1; done";
  const id = await home.submit(stubborn, { cpus: 3, timeout: 2, grace: 1 });
  const { message } = await home.wait(id);
  assertEquals(message, "ran longer than its timeout of 2 s");
  await isTrue(home, id, { end: "FAILED timeout 0:9", stdout: "one\n", cpus: 3 });
});

Deno.test("journal unavailable: jobs are refused, what runs goes on, and its end is journaled later", async () => {
  await using home = new Home();
  // A write beyond the limit of a file's size then fails, as on a full disk, and does not kill.
  home.launch([], ["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh"]);
  await until("it answers", () => home.answers());
  const id = await home.submit(`${UNTIL_GO}; exit 6`, { cpus: 3 });
  const { pid } = await home.running(id);
  await limitFileSize(home.pid, "0");
  assertEquals(await home.submit(["true"]).catch((error) => error.name), "JournalUnavailable");
  go(home);
  await until("its end is recorded", () => exits(home).length === 1);
  const { node } = await home.use((client) => client.call("Node", {}));
  assert(node.degraded);
  assertEquals([node.cpusAllocated, (await home.status(id)).state], [3, "RUNNING"]);
  await limitFileSize(home.pid, "unlimited");
  await isTrue(home, id, { end: "FAILED exit 6:0", stdout: "one\ntwo\n", pid, cpus: 3 });
  const { jobs } = await home.use((client) => client.call("List", {}));
  assertEquals(jobs.length, 1, "what was refused has left nothing");
});

interface Truth {
  readonly end: string;
  readonly stdout: string;
  readonly pid?: number;
  readonly cpus?: number;
}

/** Waits for the end, and checks it before and after a kill -9. `others`: jobs that still hold a CPU. */
async function isTrue(home: Home, id: number, truth: Truth, others = 0): Promise<void> {
  const job = await home.wait(id);
  await looksTrue(home, job, truth, others);
  await home.crash();
  const { pid = job.pid!, cpus = 1 } = truth;
  assertEquals(allocation(home, id), { released: 1, cpus, pid, isTimed: true });
  await home.start("--cpus", "8");
  assertEquals(await home.status(id), job);
  await looksTrue(home, job, truth, others);
}

async function looksTrue(home: Home, job: Job, truth: Truth, others: number): Promise<void> {
  const { state, reason, exitCode, released, stopping } = job;
  assertEquals([`${state} ${reason} ${exitCode}`, released, stopping], [
    truth.end,
    true,
    undefined,
  ]);
  assertEquals(home.stdout(job.id), truth.stdout);
  const { events } = await home.use((client) => client.call("History", { id: job.id }));
  assertEquals(events.map((event) => event.state).filter((each) => each === state).length, 1);
  assertEquals(events.at(-1)!.state, state);
  await until("its record is removed", () => !exits(home).includes(String(job.id)));
  const mine = home.processes().filter((pid) => environment(pid).includes(`_JOB_ID=${job.id}\0`));
  assertEquals(mine, []);
  assertEquals(await cpusAllocated(home), others);
}

async function cpusAllocated(home: Home): Promise<number> {
  return (await home.use((client) => client.call("Node", {}))).node.cpusAllocated;
}

/** What the journal of a stopped supervisor says of a job's allocation. */
function allocation(home: Home, id: number) {
  return home.inJournal((journal) => {
    const row = journal.prepare(
      `SELECT released, allocated_cpus AS cpus, process_id AS pid, released_time >= ended_at AS timed
       FROM resource_allocations JOIN jobs ON jobs.id = job_id WHERE job_id = ?`,
    ).get(id)!;
    const { released, cpus, pid } = row as Record<string, number>;
    return { released, cpus, pid, isTimed: row.timed === 1 };
  });
}

function go(home: Home, file = "go"): void {
  Deno.writeTextFileSync(`${home.directory}/${file}`, "");
}

function exits(home: Home): string[] {
  return [...Deno.readDirSync(`${home.state}/exits`)].map(({ name }) => name);
}

function environment(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`);
  } catch {
    return "";
  }
}

async function limitFileSize(pid: number, soft: string): Promise<void> {
  const args = ["--pid", String(pid), `--fsize=${soft}:`];
  const { success, stderr } = await new Deno.Command("prlimit", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}
