/** Job arrays on the command line: `12` stands for all jobs of an array, `12_3` for one of them. */

import { assertEquals, assertMatch } from "../assert.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { BINARY, Home, until } from "./home.ts";

const INDEX = "$HOLDFAST_ARRAY_INDEX";

/** Submits as a person does; returns what was printed. */
async function submit(home: Home, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await home.run("submit", ...words);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trim();
}

async function lines(home: Home, ...words: string[]): Promise<string[]> {
  return (await home.run(...words)).stdout.trimEnd().split("\n");
}

async function allRun(home: Home, ...ids: number[]): Promise<void> {
  for (const id of ids) await home.running(id);
}

Deno.test("an array is one line of list with its counts, and each job a line with --each", async () => {
  await using home = await Home.start();
  const script = `test ${INDEX} != 3`;
  assertEquals(await submit(home, "--array", "1-4", "--name", "n", "sh", "-c", script), "1");
  assertEquals(await submit(home, "true"), "5");
  await home.run("wait", "1", "5");
  const plain = await lines(home, "list");
  assertMatch(plain[0]!, /^ID +STATE +EXIT +CPUS +ELAPSED +NAME +COMMAND$/);
  assertMatch(plain[1]!, /^1\[1-4\] +3 COMPLETED 1 FAILED +1 +\S+ +n +sh -c /);
  assertMatch(plain[2]!, /^5 +COMPLETED +0:0 /);
  assertEquals(plain.length, 3);
  const each = (await lines(home, "list", "--each")).slice(1);
  assertEquals(each.map((line) => line.split(" ")[0]), ["1_1", "1_2", "1_3", "1_4", "5"]);
  assertMatch(each[2]!, /^1_3 +FAILED +1:0 /);
  assertEquals((await lines(home, "list", "--array", "1")).length, 5);
  assertEquals((await home.run("list", "--array", "5")).code, 2);
  const { jobs } = JSON.parse((await home.run("list", "--json")).stdout);
  assertEquals(jobs.map(({ id }: Job) => id), [1, 2, 3, 4, 5]);
});

Deno.test("list --usage adds what the jobs have used", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-2", "true");
  await home.run("wait", "1");
  const [head, array] = await lines(home, "list", "--usage");
  assertMatch(head!, / ELAPSED +USER +SYSTEM +MEMORY +READ +WRITTEN +NAME +COMMAND$/);
  assertMatch(array!, /^1\[1-2\] +2 COMPLETED +1 +\S+s +\S+s +\S+s /);
});

Deno.test("status tells an array together and one of its jobs alone", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "0-8:2", "sh", "-c", `test ${INDEX} -lt 3 || exit 9`);
  await home.run("wait", "1");
  const all = (await home.run("status", "1")).stdout;
  assertMatch(all, /^Array: +1, 5 jobs, indexes 0-8:2\n/);
  assertMatch(all, /^State: +2 COMPLETED 3 FAILED$/m);
  assertMatch(all, /^Failed: +indexes 4,6,8$/m);
  assertMatch((await home.run("status", "1_4")).stdout, /^Job: +1_4 \(id 3\)\n(.|\n)*9:0/);
  const { jobs } = JSON.parse((await home.run("status", "1", "--json")).stdout);
  assertEquals(jobs.map(({ array }: Job) => array!.index), [0, 2, 4, 6, 8]);
  const { job } = JSON.parse((await home.run("status", "1_4", "--json")).stdout);
  assertEquals([job.id, job.array], [3, { id: 1, index: 4, size: 5 }]);
});

Deno.test("wait waits for all jobs of an array and exits as the first one that failed", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-3", "true");
  assertEquals((await home.run("wait", "1")).code, 0);
  await submit(home, "--array", "1-4", "sh", "-c", `test ${INDEX} = 1 || exit 4${INDEX}`);
  const { code, stderr } = await home.run("wait", "4");
  assertEquals(code, 42);
  assertEquals(stderr, "holdfast: 3 of 4 jobs of array 4 have not completed: indexes 2-4\n");
  assertEquals((await home.run("wait", "4_3")).code, 43);
  await submit(home, "--array", "7,9", "sleep", "1000");
  const late = await home.run("wait", "--timeout", "0", "8");
  assertEquals(late.code, 125);
  assertMatch(late.stderr, /2 of 2 jobs of array 8 .*indexes 7,9\n.*job 8_7 is still /);
});

Deno.test("cancel and signal reach one job of an array, or all", async () => {
  await using home = await Home.start();
  const script = "trap 'exit 5' USR1; trap '' TERM; echo ready; while :; do sleep 0.02; done";
  await submit(home, "--array", "1-4", "--grace", "1h", "sh", "-c", script);
  await allRun(home, 1, 2, 3, 4);
  await until("their traps are set", () => [1, 2, 3, 4].every((id) => home.stdout(id)));
  assertMatch((await home.run("cancel", "1_2")).stdout, /^1_2 RUNNING \(cancel\)\n$/);
  assertEquals((await home.run("signal", "1_2", "KILL")).code, 0);
  assertEquals((await home.wait(2)).state, "CANCELLED");
  assertEquals((await home.run("signal", "1_1", "USR1")).code, 0);
  assertEquals((await home.wait(1)).exitCode, "5:0");
  const gone = await home.run("signal", "1_1", "USR1");
  assertEquals([gone.code, gone.stderr], [5, "holdfast: job 1_1 has ended (FAILED)\n"]);
  const sent = await lines(home, "signal", "1", "CONT", "--json");
  assertEquals(sent.map((line) => JSON.parse(line).job.id), [1]);
  assertMatch((await home.run("cancel", "1")).stdout, /^1\[1-4\] 2 RUNNING \(cancel\) 1 FAILED /);
  await home.run("signal", "1", "KILL");
  await Promise.all([3, 4].map((id) => home.wait(id)));
  assertEquals((await home.run("cancel", "1")).stdout, "1[1-4] 1 FAILED 3 CANCELLED\n");
  assertEquals((await home.run("signal", "1", "USR1")).code, 5);
});

Deno.test("hold and release reach one job of an array, or all", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-3", "--hold", "true");
  assertEquals((await home.run("status", "1")).stdout.match(/^State:.*|^Held:.*/gm), [
    "State:       3 QUEUED (held)",
    "Held:        until holdfast release 1",
  ]);
  assertMatch((await home.run("release", "1_2")).stdout, /^1_2 [A-Z]+(, waits for its turn)?\n$/);
  assertEquals((await home.wait(2)).state, "COMPLETED");
  assertEquals(
    (await home.run("hold", "1")).stdout,
    "1[1-3] 2 QUEUED (held) 1 COMPLETED\n",
  );
  assertEquals((await home.run("release", "1")).code, 0);
  assertEquals((await home.run("wait", "1")).code, 0);
  for (const [id, message] of [["1", "no job of array 1 is queued"], ["1_2", "job 1_2 is COMP"]]) {
    const { code, stderr } = await home.run("hold", id!);
    assertEquals([code, stderr.includes(message!)], [5, true], stderr);
  }
});

Deno.test("an array is found by its id when its first jobs have been pruned", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-3", "sh", "-c", `test ${INDEX} = 1 || exec sleep 1000`);
  await home.wait(1);
  assertEquals((await home.run("prune", "--older-than", "0")).stdout, "1 jobs removed\n");
  await allRun(home, 2, 3);
  assertMatch((await home.run("status", "1")).stdout, /^State: +2 RUNNING$/m);
  assertMatch((await home.run("status", "1_2")).stdout, /^Job: +1_2 \(id 2\)$/m);
  const pruned = await home.run("status", "1_1");
  assertEquals([pruned.code, /there is no job 1_1/.test(pruned.stderr)], [3, true], pruned.stderr);
  assertEquals((await home.run("cancel", "1")).code, 0);
  for (const id of [2, 3]) assertEquals((await home.wait(id)).state, "CANCELLED");
});

Deno.test("what is no job of an array is told, with the indexes there are", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-3%2", "true");
  await submit(home, "true");
  const told: [string, RegExp][] = [
    ["1_7", /there is no job 1_7: the indexes of array 1 are 1-3%2/],
    ["4_1", /there is no job 4_1: job 4 is not an array/],
    ["2_1", /there is no job 2_1: job 2 is not an array/],
    ["9_1", /there is no job 9/],
  ];
  for (const [id, message] of told) {
    const { code, stderr } = await home.run("status", id);
    assertEquals(code, 3, id);
    assertMatch(stderr, message);
  }
});

Deno.test("resubmit runs a whole array again, or one job of it with its index", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-2", "--key", "k", "sh", "-c", `echo part ${INDEX}`);
  assertEquals((await home.run("resubmit", "1")).stdout, "3\n");
  assertEquals((await home.run("resubmit", "1_2")).stdout, "5\n");
  assertEquals((await home.run("wait", "3", "5")).code, 0);
  const ids = (await lines(home, "list", "--each")).slice(1).map((line) => line.split(" ")[0]);
  assertEquals(ids, ["1_1", "1_2", "3_1", "3_2", "5_2"]);
  for (const id of ["3_2", "5_2", "5"]) {
    assertEquals((await home.run("logs", id)).stdout, "part 2\n", id);
  }
});

Deno.test("a job after an array follows all its jobs", async () => {
  await using home = await Home.start();
  await submit(home, "--array", "1-3", "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done");
  const after = ["--after", "1", "--after", "1_2"];
  assertEquals(await submit(home, ...after, "true"), "4");
  assertEquals((await home.status(4)).spec.after, [1, 2, 3]);
  await home.run("cancel", "1");
  assertEquals((await home.run("submit", "--after", "1_9", "true")).code, 3);
  assertEquals((await home.run("submit", "--after", "99", "true")).code, 2);
});

Deno.test("logs is of one job of an array; history and watch are of one or all", async () => {
  await using home = await Home.start();
  await submit(home, "true");
  await submit(home, "--array", "1-2", "sh", "-c", `echo part ${INDEX}`);
  await home.run("wait", "1", "2");
  assertEquals((await home.run("logs", "2_2")).stdout, "part 2\n");
  const all = await home.run("logs", "2");
  assertEquals([all.code, /: holdfast logs 2_1$/m.test(all.stderr)], [2, true], all.stderr);
  const names = (output: string[]) => new Set(output.map((line) => line.split(" ")[1]));
  assertEquals(names(await lines(home, "history", "2")), new Set(["2_1", "2_2"]));
  assertEquals(names(await lines(home, "history", "2_2")), new Set(["2_2"]));
  const script = 'exec "$1" watch --id 2 --since 0 > seen';
  const watch = home.spawn("sh", ["-c", script, "sh", BINARY], home.directory);
  assertEquals((await watch.status).code, 0);
  assertEquals(names(home.lines("seen")), new Set(["2_1", "2_2"]));
});
