/** What was ignored when a program was started stays ignored, and no job gets any of it. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, isAlive, until } from "./home.ts";

/** Starts it as a shell would that ignores some signals. */
function ignoring(signals: string): string[] {
  return ["sh", "-c", `trap '' ${signals}; exec "$@"`, "sh"];
}

Deno.test("a supervisor that was started with signals ignored is not ended by them, nor its successor", async () => {
  await using home = new Home();
  home.launch([], ignoring("INT QUIT HUP TTOU CHLD"));
  await until("it answers", () => home.answers());
  const { pid } = home;
  // One that replaces itself would listen anew.
  for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) Deno.kill(pid, signal);
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  assertEquals(home.log.match(/INFO (listening|stopping|replacing)/g)?.length, 1, home.log);
  const { code, stderr } = await home.run("upgrade");
  assertEquals(code, 5);
  assertMatch(stderr, new RegExp(`pid ${pid}, ignores SIGHUP, .*nohup.*kill ${pid}`, "s"));
  assertEquals(await home.signal("SIGTERM"), 0);
});

Deno.test("what is ignored stays so over an upgrade", async () => {
  await using home = new Home();
  home.launch([], ignoring("INT QUIT"));
  await until("it answers", () => home.answers());
  assertEquals((await home.run("upgrade")).code, 0);
  const { pid } = home;
  for (const signal of ["SIGINT", "SIGQUIT"] as const) Deno.kill(pid, signal);
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  assert(isAlive(pid));
  assertEquals(await home.signal("SIGTERM"), 0);
});

Deno.test("a script's background supervisor outlives the script's Ctrl-C", async () => {
  await using home = new Home();
  const script =
    `"$0" daemon 2>log & echo $! >pid; while [ ! -e go ]; do sleep 0.05; done; kill -INT 0`;
  const shell = home.spawn("setsid", ["sh", "-c", script, BINARY], home.directory);
  await until("it answers", () => home.answers());
  const pid = Number(home.lines("pid")[0]);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  await shell.status;
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  assert(isAlive(pid));
  Deno.kill(pid, "SIGTERM");
  await until("it has ended", () => !isAlive(pid));
});

Deno.test("a job has every signal by default, whatever its supervisor ignores", async () => {
  await using home = new Home();
  home.launch([], ignoring("INT QUIT HUP PIPE USR1 TTOU XFSZ CHLD"));
  await until("it answers", () => home.answers());
  const id = await home.submit(["grep", "-E", "^Sig(Ign|Blk):", "/proc/self/status"]);
  assertEquals((await home.wait(id)).exitCode, "0:0");
  assertEquals(home.stdout(id), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
});

Deno.test("a run that was started with signals ignored does not cancel its job by them", async () => {
  await using home = await Home.start();
  const words = [
    ...ignoring("INT"),
    BINARY,
    "run",
    "sh",
    "-c",
    "until [ -e go ]; do sleep 0.05; done",
  ];
  const run = home.spawn(words[0]!, words.slice(1), home.directory);
  await until("its job runs", async () => {
    try {
      return (await home.status(1)).state === "RUNNING";
    } catch {
      return false;
    }
  });
  run.kill("SIGINT");
  // A cancel would have been heard before this answer.
  assertEquals((await home.run("status", "1")).code, 0);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await run.status).code, 0);
  assertEquals((await home.status(1)).state, "COMPLETED");
});
