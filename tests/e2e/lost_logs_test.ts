/** A log that is lost is told as lost, and never taken for that of a job that wrote nothing. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { existsSync } from "node:fs";
import { BINARY, Home, soon, until } from "./home.ts";
import { Client, VarlinkError } from "../../src/varlink/client.ts";

type Taking = (run: string) => void;

/** What can become of the log of standard output, from outside. */
const LOSSES: Record<string, Taking> = {
  "removed": (run) => Deno.removeSync(`${run}/stdout.log`),
  "renamed": (run) => Deno.renameSync(`${run}/stdout.log`, `${run}/stdout.log.1`),
  "a directory": (run) => {
    Deno.removeSync(`${run}/stdout.log`);
    Deno.mkdirSync(`${run}/stdout.log`);
  },
  "a FIFO": (run) => {
    Deno.removeSync(`${run}/stdout.log`);
    new Deno.Command("mkfifo", { args: [`${run}/stdout.log`] }).outputSync();
  },
  "a dangling link": (run) => {
    Deno.removeSync(`${run}/stdout.log`);
    Deno.symlinkSync("nowhere", `${run}/stdout.log`);
  },
  "gone with its directory": (run) => Deno.removeSync(run, { recursive: true }),
  "renamed with its directory": (run) => Deno.renameSync(run, `${run}.away`),
  "below a file": (run) => {
    Deno.removeSync(run, { recursive: true });
    Deno.writeTextFileSync(run, "");
  },
};

const LOST =
  /^holdfast: the log of job \d+ is lost: \S+\/runs\/\d+\/std(out|err)\.log .*removed, renamed or repl/m;

Deno.test("a lost log is told with its path, exit code 1, by logs, status and the socket", async (t) => {
  await using home = await Home.start();
  for (const [loss, take] of Object.entries(LOSSES)) {
    await t.step(loss, async () => {
      const id = await home.submit("echo out; echo err >&2");
      await home.wait(id);
      take(`${home.state}/runs/${id}`);
      const hasErr = existsSync(`${home.state}/runs/${id}/stderr.log`);
      const { code, stdout, stderr } = await home.run("logs", String(id));
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, LOST);
      // What is there is shown all the same.
      assertEquals(/^err$/m.test(stderr), hasErr, stderr);
      assertEquals((await home.run("logs", "--stream", "stderr", String(id))).code, hasErr ? 0 : 1);
      assertEquals((await home.run("logs", "-f", String(id))).code, 1);
      const job = await home.status(id);
      assertEquals(job.lostLogs, hasErr ? ["stdout"] : ["stdout", "stderr"]);
      assertMatch((await home.run("status", String(id))).stdout, /^Logs: +lost: stdout/m);
    });
  }
});

Deno.test("a job that wrote nothing has logs, also after a restart; a pruned one is unknown", async () => {
  await using home = await Home.start();
  const id = await home.submit("true");
  await home.wait(id);
  await home.restart();
  assertEquals(await home.run("logs", String(id)), { code: 0, stdout: "", stderr: "" });
  assertEquals((await home.status(id)).lostLogs, undefined);
  await home.run("prune", "--older-than", "0s");
  const pruned = await home.run("logs", String(id));
  assertEquals(pruned.code, 3, pruned.stderr);
  assertMatch(pruned.stderr, /there is no job/);
});

Deno.test("a log that is lost while it is followed is shown so far, and then told", async (t) => {
  await using home = await Home.start();
  const ways: Record<string, Taking> = {
    "removed": LOSSES["removed"]!,
    "renamed with its directory": LOSSES["renamed with its directory"]!,
    "replaced": (run) => {
      Deno.removeSync(`${run}/stdout.log`);
      Deno.writeTextFileSync(`${run}/stdout.log`, "another's\n");
    },
  };
  for (const [way, take] of Object.entries(ways)) {
    await t.step(way, async () => {
      const id = await home.submit("echo out; while [ ! -e go ]; do sleep 0.05; done");
      await home.running(id);
      await until("it has written", () => home.stdout(id) === "out\n");
      const following = new Deno.Command(BINARY, {
        args: ["logs", "-f", String(id)],
        env: home.environment,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const reader = following.stdout.getReader();
      const first = await reader.read();
      assertEquals(new TextDecoder().decode(first.value), "out\n");
      take(`${home.state}/runs/${id}`);
      const told = following.stderr.getReader();
      assertMatch(new TextDecoder().decode((await soon(told.read(), "the loss")).value), LOST);
      // The other stream goes on until the job has ended.
      await home.cancel(id);
      assertEquals((await soon(following.status, "the end")).code, 1);
      assertEquals((await reader.read()).done, true);
      await told.cancel();
      await home.wait(id);
    });
  }
});

Deno.test("a log that is replaced under its running job is told, where the job has not left it", async () => {
  await using home = await Home.start();
  const waiting = "while [ ! -e go ]; do sleep 0.05; done";
  const removed = await home.submit(waiting), renamed = await home.submit(waiting);
  const elsewhere = await home.submit(`exec >stdout.log.1; ${waiting}`);
  for (const id of [removed, renamed, elsewhere]) await home.running(id);
  const log = (id: number) => `${home.state}/runs/${id}/stdout.log`;
  Deno.removeSync(log(removed));
  Deno.renameSync(log(renamed), `${log(renamed)}.1`);
  for (const id of [removed, renamed]) Deno.writeTextFileSync(log(id), "another's\n");
  for (const id of [removed, renamed]) {
    const { code, stderr } = await home.run("logs", String(id));
    assertEquals(code, 1);
    assertMatch(stderr, LOST);
    assertEquals((await home.status(id)).lostLogs, ["stdout"]);
  }
  assertEquals((await home.run("logs", String(elsewhere))).code, 0);
  assertEquals((await home.status(elsewhere)).lostLogs, undefined);
});

Deno.test("a run whose log is lost says so and exits as its job does", async () => {
  await using home = await Home.start();
  const running = home.run("run", "sh", "-c", `rm "${home.state}/runs/1/stdout.log"; exit 3`);
  const { code, stderr } = await running;
  assertEquals(code, 3);
  assertMatch(stderr, LOST);
});

Deno.test("the socket answers with what is lost", async () => {
  await using home = await Home.start();
  const id = await home.submit("echo out");
  await home.wait(id);
  Deno.removeSync(`${home.state}/runs/${id}`, { recursive: true });
  const client = await Client.connect(home.socket);
  try {
    for await (const _ of client.stream("Logs", { id, follow: true }));
    assert(false, "an error is answered");
  } catch (error) {
    assert(error instanceof VarlinkError);
    assertEquals(error.name, "LogLost");
    assertEquals(error.parameters.streams, ["stdout", "stderr"]);
    assertEquals((error.parameters.paths as string[])[0], `${home.state}/runs/${id}/stdout.log`);
  } finally {
    client.close();
  }
});

Deno.test("logs of a job that was never started say why, exit code 1", async () => {
  await using home = await Home.start();
  const held = await home.submit("true", { hold: true });
  const failed = await home.submit(["/no/such/program"]);
  await home.wait(failed);
  const cases: [number, RegExp][] = [
    [held, /^holdfast: job 1 has not been started: it waits for /],
    [failed, /^holdfast: job 2 was never started; it ended as FAILED \(startFailed\): .*no\/such/],
  ];
  for (const [id, expected] of cases) {
    const { code, stdout, stderr } = await home.run("logs", String(id));
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, expected);
  }
  const following = home.run("logs", "-f", String(held));
  await home.cancel(held);
  const { code, stderr } = await following;
  assertEquals(code, 1);
  assertMatch(stderr, /job 1 was never started; it ended as CANCELLED \(cancelled\)/);
});
