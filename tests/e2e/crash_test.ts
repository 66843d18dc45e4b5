/** kill -9 of the supervisor at every stage of a job, on the compiled binary. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, shimOf, until } from "./home.ts";

Deno.test("a job that waits when the supervisor dies is started by the next one", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit("while [ ! -e go ]; do sleep 0.05; done");
  const second = await home.submit("echo ran >> ran");
  await home.running(first);
  await home.restart("--cpus", "1");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(first)).state, "COMPLETED");
  assertEquals((await home.wait(second)).state, "COMPLETED");
  assertEquals(home.lines("ran"), ["ran"]);
});

Deno.test("jobs whose start is under way when the supervisor dies run exactly once", async () => {
  await using home = await Home.start();
  const ids: number[] = [];
  for (let round = 0; round < 15; round++) {
    // Acknowledged and at once abandoned: some are claimed by then, some are not.
    ids.push(
      ...await Promise.all(
        [1, 2, 3].map(() => home.submit("echo $HOLDFAST_JOB_ID >> ran; exit 4")),
      ),
    );
    await home.restart();
  }
  for (const id of ids) {
    const job = await home.wait(id);
    assertEquals([job.state, job.exitCode, job.released], ["FAILED", "4:0", true], home.log);
  }
  assertEquals(home.lines("ran").map(Number).sort((a, b) => a - b), ids);
});

Deno.test("a running job is taken back: log without a gap, pid, cancel and exit code", async () => {
  await using home = await Home.start();
  const id = await home.submit(
    "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 7",
  );
  const other = await home.submit(["sleep", "1000"]);
  const before = await home.running(id);
  await home.running(other);
  await home.restart();
  const after = await home.status(id);
  assertEquals([after.state, after.adopted, after.pid], ["RUNNING", true, before.pid]);
  await home.cancel(other);
  assertEquals((await home.wait(other)).exitCode, "0:15");
  assertEquals((await home.wait(id)).exitCode, "7:0");
  assertEquals(home.stdout(id), Array.from({ length: 30 }, (_, i) => `${i + 1}\n`).join(""));
});

Deno.test("a job that ends while no supervisor watches keeps its real exit code", async () => {
  await using home = await Home.start();
  const ids = [];
  for (const end of ["exit 7", "kill -TERM $$", "exit 0"]) {
    ids.push(await home.submit(`while [ ! -e go ]; do sleep 0.02; done; ${end}`));
  }
  for (const id of ids) await home.running(id);
  await home.crash();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await until("all have ended", () => home.processes().length === 0);
  await home.start();
  const jobs = await Promise.all(ids.map((id) => home.wait(id)));
  assertEquals(jobs.map((job) => job.exitCode), ["7:0", "0:15", "0:0"]);
  assert(jobs.every((job) => job.released && !job.adopted));
});

Deno.test("a cancel that was acknowledged goes on after a crash, up to SIGKILL", async () => {
  await using home = await Home.start();
  const id = await home.submit("trap '' TERM; echo ready; while :; do sleep 0.1; done", {
    grace: 1,
  });
  await until(
    "it ignores SIGTERM",
    async () => (await home.status(id)).pid && home.stdout(id) !== "",
  );
  assertEquals((await home.cancel(id)).stopping, "cancel");
  await home.restart();
  const job = await home.wait(id);
  assertEquals([job.state, job.reason, job.exitCode], ["CANCELLED", "cancelled", "0:9"]);
  assertEquals(home.processes(), []);
});

Deno.test("a job whose leftovers are being ended when the supervisor dies ends with its own exit code", async () => {
  await using home = await Home.start();
  const stubborn =
    "(trap '' TERM; echo ready > ready; exec setsid sleep 1000) & while [ ! -e ready ]; do :; done";
  const id = await home.submit(`${stubborn}; exit 5`, { grace: 1 });
  await until(
    "its leader has ended",
    () => [...Deno.readDirSync(`${home.state}/exits`)].length === 1,
  );
  assertEquals(
    (await home.status(id)).endedAt,
    undefined,
    "its resources are held until nobody is left",
  );
  await home.restart();
  const job = await home.wait(id);
  assertEquals([job.state, job.exitCode, job.released], ["FAILED", "5:0", true]);
  assertEquals(home.processes(), []);
});

Deno.test("an end that was told stays as it was told, whatever dies later", async () => {
  await using home = await Home.start();
  const cancelled = await home.submit(["sleep", "1000"]);
  const exited = await home.submit("exit 9");
  await home.running(cancelled);
  await home.cancel(cancelled);
  const before = [await home.wait(cancelled), await home.wait(exited)];
  await home.restart();
  await home.restart();
  assertEquals([await home.status(cancelled), await home.status(exited)], before);
});

Deno.test("a deadline that passed while we were away is acted on at the start", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"], { timeout: 1 });
  const { startedAt } = await home.running(id);
  await home.crash();
  await until("the deadline has passed", () => Date.now() > Date.parse(startedAt!) + 1200);
  await home.start();
  assertEquals((await home.wait(id)).reason, "timeout");
});

Deno.test("what an adopted job leaves behind is ended too", async () => {
  await using home = await Home.start();
  const id = await home.submit("setsid sleep 1000 & while [ ! -e go ]; do sleep 0.05; done");
  await home.running(id);
  await home.restart();
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).state, "COMPLETED");
  assertEquals(home.processes(), []);
});

Deno.test("a job whose shim is killed with the supervisor is adopted without it", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  const { pid } = await home.running(id);
  const shim = shimOf(home, id);
  await home.crash();
  Deno.kill(shim, "SIGKILL");
  await home.start();
  assertEquals([(await home.status(id)).state, (await home.status(id)).pid], ["RUNNING", pid]);
  await home.cancel(id);
  const job = await home.wait(id);
  assertEquals([job.state, job.released], ["CANCELLED", true]);
});

Deno.test("an adopted job whose shim is killed ends with its own exit code", async () => {
  await using home = await Home.start();
  const ends = ["exit 0", "exit 6", "kill -TERM $$"];
  const ids: number[] = [];
  for (const end of ends) {
    ids.push(await home.submit(`while [ ! -e go ]; do sleep 0.05; done; ${end}`));
  }
  for (const id of ids) await home.running(id);
  await home.crash();
  Deno.kill(shimOf(home, ids[0]!), "SIGKILL");
  await home.start();
  for (const id of ids.slice(1)) Deno.kill(shimOf(home, id), "SIGKILL");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  const jobs = await Promise.all(ids.map((id) => home.wait(id)));
  assertEquals(jobs.map((job) => job.exitCode), ["0:0", "6:0", "0:15"]);
});

Deno.test("a job whose shim is killed while we watch keeps running and its exit is seen", async () => {
  await using home = await Home.start();
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 6");
  await home.running(id);
  Deno.kill(shimOf(home, id), "SIGKILL");
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "6:0");
});

Deno.test("a job that dies with its shim while nobody watches is interrupted, its status unknown", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  const { pid } = await home.running(id);
  const shim = shimOf(home, id);
  await home.crash();
  Deno.kill(shim, "SIGKILL");
  Deno.kill(pid!, "SIGKILL");
  await home.start();
  const job = await home.wait(id);
  assertEquals([job.state, job.reason, job.exitCode, job.released], [
    "FAILED",
    "interrupted",
    "-999:0",
    true,
  ]);
  assertMatch(home.log, /WARN interrupted job=1/);
});

Deno.test("a job of another boot is FAILED reboot", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  await home.running(id);
  await home.crash();
  for (const pid of home.processes()) Deno.kill(pid, "SIGKILL");
  await until("it is gone", () => home.processes().length === 0);
  home.edit("UPDATE resource_allocations SET boot_id = 'another'");
  const plan = await home.run("recover", "--dry-run");
  assertMatch(plan.stdout, /^1 {2}RUNNING {2}interrupted: FAILED reboot/);
  await home.start();
  const job = await home.wait(id);
  assertEquals([job.state, job.reason, job.exitCode, job.released], [
    "FAILED",
    "reboot",
    "-999:0",
    true,
  ]);
});

Deno.test("a job that no shim has claimed is fenced, queued again and runs once", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit(["sleep", "1000"]);
  const second = await home.submit("echo ran >> ran");
  await home.running(first);
  await home.crash();
  // As if we had died between the commit of STARTING and the start of the shim.
  Deno.mkdirSync(`${home.state}/runs/${second}`);
  home.edit(
    `UPDATE jobs SET state = 'STARTING', attempts = 1 WHERE id = ${second};
    INSERT INTO resource_allocations (job_id, allocated_cpus, allocated_memory, node_name, boot_id, pid_namespace, token)
    SELECT ${second}, 1, 0, node_name, boot_id, pid_namespace, 'a-token' FROM resource_allocations`,
  );
  await home.start("--cpus", "1");
  assertEquals((await home.status(second)).state, "QUEUED");
  await home.cancel(first);
  assertEquals((await home.wait(second)).state, "COMPLETED");
  assertEquals(home.lines("ran"), ["ran"]);
});

Deno.test("a pid that belongs to a stranger now is never signalled", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  const { pid } = await home.running(id);
  const shim = shimOf(home, id);
  await home.crash();
  Deno.kill(shim, "SIGKILL");
  Deno.kill(pid!, "SIGKILL");
  const stranger = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  try {
    // The journal names a pid that lives, and another start time.
    home.edit(
      `UPDATE resource_allocations SET process_id = ${stranger.pid}, shim_process_id = ${stranger.pid};
      UPDATE jobs SET stopping = 'cancel', stopping_boot_ms = 0`,
    );
    await home.start();
    assertEquals((await home.wait(id)).state, "CANCELLED");
    Deno.kill(stranger.pid, "SIGCONT");
    assertMatch(Deno.readTextFileSync(`/proc/${stranger.pid}/stat`), /\) S /);
  } finally {
    stranger.kill("SIGKILL");
    await stranger.status;
  }
});

Deno.test("20 restarts in a row over 50 jobs: none lost, none twice, every exit code right", async () => {
  await using home = await Home.start();
  const ids: number[] = [];
  for (let i = 0; i < 50; i++) {
    ids.push(
      await home.submit(
        `echo $HOLDFAST_JOB_ID >> ran; sleep 0.${i % 10}; exit $((HOLDFAST_JOB_ID % 5))`,
      ),
    );
  }
  for (let round = 0; round < 20; round++) await home.restart();
  const jobs = await Promise.all(ids.map((id) => home.wait(id)));
  assertEquals(jobs.map((job) => job.exitCode), ids.map((id) => `${id % 5}:0`));
  assert(jobs.every((job) => job.released));
  assertEquals(home.lines("ran").map(Number).sort((a, b) => a - b), ids);
  assertEquals(home.processes(), []);
  assertEquals((await home.use((client) => client.call("Node", {}))).node.cpusAllocated, 0);
});

Deno.test("an end of which every hint was lost is found by the regular check", async () => {
  await using home = await Home.start("--check-interval", "1s");
  const id = await home.submit(["sleep", "1000"], { grace: 1 });
  await home.running(id);
  // No signal and no pidfd tells of a record that was written by hand.
  Deno.writeTextFileSync(`${home.state}/exits/${id}`, "3 0 0\n");
  const job = await home.wait(id);
  assertEquals([job.state, job.released], ["FAILED", true]);
  await until("what is left of it ends", () => home.processes().length === 0);
});

Deno.test("a leftover exit record of an ended job is swept; one of an unknown job is told", async () => {
  await using home = await Home.start();
  const id = await home.submit(["true"]);
  await home.wait(id);
  await home.crash();
  Deno.writeTextFileSync(`${home.state}/exits/${id}`, "9 0 0\n");
  Deno.writeTextFileSync(`${home.state}/exits/77`, "9 0 0\n");
  await home.start();
  assertEquals((await home.status(id)).exitCode, "0:0");
  assertEquals([...Deno.readDirSync(`${home.state}/exits`)].map(({ name }) => name), ["77"]);
  assertMatch(home.log, /WARN "?exit record of an unknown job"? job=77/);
  assert(await home.submit(["true"]) > 77, "an id with a record is not given again");
});
