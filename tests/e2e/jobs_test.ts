/** What becomes of a job, on the compiled binary: its end, its output, its family. */

import { existsSync } from "node:fs";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, until } from "./home.ts";

/** x86_64; the same call is 93 on aarch64. */
const SYS_exit = Deno.build.arch === "x86_64" ? 60 : 93;

Deno.test("a job ends with its own exit code, output and errors apart", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo out; echo err >&2; exit 7");
  const job = await home.wait(id);
  assertEquals([job.state, job.reason, job.exitCode, job.released], [
    "FAILED",
    "exit",
    "7:0",
    true,
  ]);
  assertEquals(home.stdout(id), "out\n");
  assertEquals(Deno.readTextFileSync(`${home.state}/runs/${id}/stderr.log`), "err\n");
});

Deno.test("a job that a signal kills ends with that signal, told apart from exit 128+n", async () => {
  await using home = await Home.start();
  const killed = await home.wait(await home.submit("sleep 0.3; kill -SEGV $$"));
  assertEquals([killed.state, killed.reason, killed.exitCode], ["FAILED", "signal", "0:11"]);
});

Deno.test("a successful job is COMPLETED, its times in order and its record removed", async () => {
  await using home = await Home.start();
  const id = await home.submit(["true"]);
  const job = await home.wait(id);
  assertEquals([job.state, job.exitCode, job.adopted], ["COMPLETED", "0:0", false]);
  assert(job.submittedAt <= job.startedAt! && job.startedAt! <= job.endedAt!);
  await until(
    "the exit record is removed",
    () => [...Deno.readDirSync(`${home.state}/exits`)].length === 0,
  );
});

Deno.test("a job has default signals, an empty mask and no descriptor of ours", async () => {
  await using home = await Home.start();
  const id = await home.submit("ls -l /proc/self/fd; grep Sig /proc/self/status");
  await home.wait(id);
  const output = home.stdout(id);
  const descriptors = output.split("\n").flatMap((line) =>
    / (\d+) -> (.*)$/.exec(line)?.slice(1, 3).join(" ") ?? []
  );
  const expected = [
    "0 /dev/null",
    `1 ${home.state}/runs/${id}/stdout.log`,
    `2 ${home.state}/runs/${id}/stderr.log`,
  ];
  assertEquals(descriptors.slice(0, 3), expected);
  assertEquals(descriptors.length, 4, "the fourth is ls reading the directory");
  assertMatch(output, /SigBlk:\s+0{16}/);
  assertMatch(output, /SigIgn:\s+0{16}/);
});

Deno.test("a job knows its id, runs where it was asked to, with the environment it was given", async () => {
  await using home = await Home.start();
  const directory = `${home.directory}/with 'odd' $name`;
  Deno.mkdirSync(directory);
  const environment = { GREETING: "two\nlines 'and' \"quotes\" $HOME `x`" };
  const id = await home.submit('pwd; echo "$HOLDFAST_JOB_ID"; printf %s "$GREETING"', {
    directory,
    environment,
  });
  await home.wait(id);
  assertEquals(home.stdout(id), `${directory}\n${id}\n${environment.GREETING}`);
});

Deno.test("arguments arrive as they were sent", async () => {
  await using home = await Home.start();
  const words = ["", "-n", "--", "a b", "$(id)", "*", "ü\n", "'\"\\"];
  const id = await home.submit(["printf", "<%s>", ...words]);
  await home.wait(id);
  assertEquals(home.stdout(id), words.map((word) => `<${word}>`).join(""));
});

Deno.test("a job that runs longer than its timeout is stopped and says so", async () => {
  await using home = await Home.start();
  const job = await home.wait(await home.submit(["sleep", "1000"], { timeout: 1 }));
  assertEquals([job.state, job.reason, job.exitCode], ["FAILED", "timeout", "0:15"]);
  assertEquals(home.processes(), []);
});

Deno.test("cancel ends a job and what it started; the exit status is recorded too", async () => {
  await using home = await Home.start();
  const id = await home.submit("sleep 1000 & sleep 1000");
  await home.running(id);
  assertEquals((await home.cancel(id)).stopping, "cancel");
  const job = await home.wait(id);
  assertEquals([job.state, job.reason, job.exitCode, job.stopping], [
    "CANCELLED",
    "cancelled",
    "0:15",
    undefined,
  ]);
  assertEquals(home.processes(), []);
});

Deno.test("a job that ignores SIGTERM gets SIGKILL after its grace period", async () => {
  await using home = await Home.start();
  const id = await home.submit("trap '' TERM; echo ready; while :; do sleep 1; done", { grace: 1 });
  await until(
    "it ignores SIGTERM",
    async () => (await home.status(id)).pid && home.stdout(id) === "ready\n",
  );
  await home.cancel(id);
  const job = await home.wait(id);
  assertEquals([job.state, job.exitCode], ["CANCELLED", "0:9"]);
  assertEquals(home.processes(), []);
});

Deno.test("a stopped job can be cancelled", async () => {
  await using home = await Home.start();
  const id = await home.submit(["sleep", "1000"]);
  await home.running(id);
  await home.use((client) => client.call("Signal", { id, signal: "STOP" }));
  await home.cancel(id);
  assertEquals((await home.wait(id)).exitCode, "0:15");
});

Deno.test("what a job leaves behind in another session ends before its resources are released", async () => {
  await using home = await Home.start();
  const id = await home.submit(
    "setsid sh -c 'setsid sleep 1000 & sleep 1000' & echo $! > left; exit 3",
    { grace: 1 },
  );
  const job = await home.wait(id);
  assertEquals([job.state, job.exitCode, job.released], ["FAILED", "3:0", true]);
  assertEquals(home.processes(), []);
});

Deno.test("leftovers that ignore SIGTERM get SIGKILL after the grace period", async () => {
  await using home = await Home.start();
  const id = await home.submit("(trap '' TERM; exec setsid sleep 1000) & sleep 0.2; exit 0", {
    grace: 1,
  });
  const job = await home.wait(id);
  assertEquals([job.state, job.exitCode], ["COMPLETED", "0:0"]);
  assertEquals(home.processes(), []);
});

Deno.test("cancelling a queued job means it never runs; cancelling twice changes nothing", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit(["sleep", "1000"]);
  const second = await home.submit("echo ran >> ran");
  assertEquals((await home.cancel(second)).state, "CANCELLED");
  assertEquals((await home.cancel(second)).state, "CANCELLED");
  await home.cancel(first);
  await home.wait(first);
  assertEquals(home.lines("ran"), []);
});

Deno.test("jobs start by priority, then in the order of submission, never beyond capacity", async () => {
  await using home = await Home.start("--cpus", "2");
  const blocker = await home.submit(["sleep", "1000"], { cpus: 2 });
  await home.running(blocker);
  const ids = [];
  for (const priority of [0, 5, 0, 5]) {
    ids.push(await home.submit("echo $HOLDFAST_JOB_ID >> order", { cpus: 2, priority }));
  }
  await home.cancel(blocker);
  for (const id of ids) await home.wait(id);
  assertEquals(home.lines("order").map(Number), [ids[1], ids[3], ids[0], ids[2]]);
});

Deno.test("a job after another starts when that has completed, and never when it has not", async () => {
  await using home = await Home.start();
  const good = await home.submit("sleep 0.3; echo first >> order");
  const after = await home.submit("echo second >> order", { after: [good] });
  const bad = await home.submit("sleep 0.1; exit 1");
  const never = await home.submit("echo never >> order", { after: [bad] });
  const neither = await home.submit("echo never >> order", { after: [never] });
  assertEquals((await home.wait(after)).state, "COMPLETED");
  for (const id of [never, neither]) {
    const job = await home.wait(id);
    assertEquals([job.state, job.reason], ["CANCELLED", "dependency"]);
  }
  assertEquals(home.lines("order"), ["first", "second"]);
});

Deno.test("a job after two jobs, one after the other, that never complete has one end", async () => {
  await using home = await Home.start();
  const bad = await home.submit("sleep 0.1; exit 1");
  const never = await home.submit(["true"], { after: [bad] });
  const neither = await home.submit(["true"], { after: [bad, never] });
  await home.wait(neither);
  const { events } = await home.use((client) => client.call("History", { id: neither }));
  assertEquals(events.map(({ state }) => state), ["QUEUED", "CANCELLED"]);
});

Deno.test("the supervisor takes a job whatever it names; what is not there is startFailed with its cause", async () => {
  await using home = await Home.start();
  const cases: [string[], string | undefined, RegExp][] = [
    [["no-such-command"], undefined, /command not found in PATH: no-such-command/],
    [["/no/such/command"], undefined, /command not found: \/no\/such\/command/],
    [["/etc/passwd"], undefined, /command is not executable: \/etc\/passwd/],
    [["/etc"], undefined, /command is a directory: \/etc/],
    [["true"], "/no/such", /cannot enter the directory \/no\/such/],
    [["true"], "/etc/passwd", /cannot enter the directory \/etc\/passwd/],
  ];
  for (const [command, directory, message] of cases) {
    const job = await home.wait(await home.submit(command, directory ? { directory } : {}));
    assertEquals([job.state, job.reason, job.exitCode], ["FAILED", "startFailed", undefined]);
    assertMatch(job.message!, message);
  }
});

Deno.test("submitting again with the same key returns the first job; another spec is a conflict", async () => {
  await using home = await Home.start();
  const spec = { command: ["true"], key: "once" };
  const first = await home.use((client) => client.call("Submit", { spec }));
  const again = await home.use((client) => client.call("Submit", { spec }));
  assertEquals([first.created, again.created, again.job.id], [true, false, first.job.id]);
  const conflict = home.use((client) => client.call("Submit", { spec: { ...spec, cpus: 2 } }));
  assertEquals(await conflict.catch((error) => [error.name, error.parameters]), ["KeyConflict", {
    id: first.job.id,
    field: "cpus",
  }]);
});

Deno.test("a resubmitted job is a new one with the same spec and no key", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo x >> ran", { key: "k", name: "n" });
  await home.wait(id);
  const { job } = await home.use((client) => client.call("Resubmit", { id }));
  assertEquals([job.spec.name, job.spec.key, job.id === id], ["n", undefined, false]);
  await home.wait(job.id);
  assertEquals(home.lines("ran").length, 2);
});

Deno.test("a signal reaches the job's process group", async () => {
  await using home = await Home.start();
  const id = await home.submit(
    "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done",
  );
  await until(
    "its trap is set",
    async () => (await home.status(id)).pid && home.stdout(id) === "ready\n",
  );
  await home.use((client) => client.call("Signal", { id, signal: "USR1" }));
  assertEquals((await home.wait(id)).exitCode, "5:0");
  const real = await home.submit(`trap 'exit 6' 37; echo ready; while :; do sleep 0.1; done`);
  await until(
    "its trap is set",
    async () => (await home.status(real)).pid && home.stdout(real) === "ready\n",
  );
  assertEquals((await home.run("signal", String(real), "SIGRTMIN+3")).code, 0);
  assertEquals((await home.wait(real)).exitCode, "6:0");
  const late = home.use((client) => client.call("Signal", { id, signal: "USR1" }));
  assertEquals(await late.catch((error) => error.name), "JobEnded");
});

Deno.test("prune forgets ended jobs with their logs and keeps the others", async () => {
  await using home = await Home.start();
  const ended = await home.submit(["true"]);
  const live = await home.submit(["sleep", "1000"]);
  await home.wait(ended);
  await home.running(live);
  assertEquals((await home.use((client) => client.call("Prune", { olderThan: 0 }))).removed, 1);
  assertEquals(await home.status(ended).catch((error) => error.name), "NoSuchJob");
  const runs = [...Deno.readDirSync(`${home.state}/runs`)].map(({ name }) => name);
  assertEquals(runs.filter((name) => /^\d+$/.test(name)), [String(live)]);
});

Deno.test("a process whose first thread has ended lives on in the others, and is ended with its job", async () => {
  await using home = await Home.start();
  const endFirstThread = `Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64"], result: "i64" },
  }).symbols.syscall(${SYS_exit}n, 0n)`;
  const id = await home.submit([Deno.execPath(), "eval", endFirstThread], { grace: 1 });
  const { pid } = await home.running(id);
  const isZombie = () => /\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  await until("its first thread has ended", isZombie);
  await home.restart();
  assertEquals((await home.status(id)).state, "RUNNING");
  await home.cancel(id);
  assertEquals((await home.wait(id)).state, "CANCELLED");
  await until("it is gone", () => !existsSync(`/proc/${pid}`));
});

Deno.test("a job that stops its shim still ends, by itself and by its timeout", async () => {
  await using home = await Home.start();
  const own = await home.submit("kill -STOP $PPID; exit 5");
  const late = await home.submit("kill -STOP $PPID; sleep 1000", { timeout: 1, grace: 1 });
  assertEquals((await home.wait(own)).exitCode, "5:0");
  const { reason, exitCode } = await home.wait(late);
  assertEquals([reason, exitCode], ["timeout", "0:15"]);
});
