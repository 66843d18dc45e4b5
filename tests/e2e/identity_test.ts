/**
 * Pids that have become strangers', in a pid namespace where they can be chosen: no stranger is
 * signalled, whatever its session, and every job gets its true verdict. On the compiled binary.
 */

import { existsSync } from "node:fs";
import { assertEquals } from "../assert.ts";
import { Home, IS_ROOT, shimOf, tell, until } from "./home.ts";
import { PidNamespace, type Place } from "./pid_namespace.ts";

/** Ignores SIGTERM and ends with the code that it is told; leaves a process behind. */
const OBEDIENT = `trap '' TERM
setsid sleep 1000 & echo $! >left
mkfifo code; exec 3<>code
echo up >up
while :; do read -r code <&3 && exit $code; done`;

interface Case {
  readonly reused: readonly ("leader" | "shim")[];
  readonly place: Place;
  /** The job has ended by itself, and its shim has told how. */
  readonly recorded?: boolean;
  readonly stopping?: "cancel" | "timeout";
}

const CASES: Case[] = [
  { reused: ["leader"], place: "alone" },
  { reused: ["shim"], place: "alone" },
  { reused: ["leader", "shim"], place: "leader" },
  { reused: ["leader"], place: "member" },
  { reused: ["leader"], place: "leader", recorded: true },
  { reused: ["shim"], place: "leader", recorded: true },
  { reused: ["leader", "shim"], place: "member", recorded: true },
  { reused: ["leader"], place: "leader", stopping: "cancel" },
  { reused: ["shim"], place: "leader", stopping: "cancel" },
  { reused: ["leader", "shim"], place: "member", stopping: "timeout" },
  { reused: ["leader", "shim"], place: "leader", stopping: "timeout", recorded: true },
];

for (const { reused, place, recorded, stopping } of CASES) {
  const who = place === "alone" ? "a stranger" : `a stranger, ${place} of a session of that number`;
  const circumstances = [
    recorded ? "with an exit record" : "without an exit record",
    ...stopping ? [`a ${stopping} under way`] : [],
  ].join(", ");
  Deno.test(
    `the pid of a job's ${reused.join(" and its ")} is ${who}: not signalled, ${circumstances}`,
    { ignore: !IS_ROOT },
    async () => {
      await using home = new Home();
      await using namespace = await PidNamespace.open(home);
      await namespace.start();
      const job = await obedient(home);
      await namespace.crash();
      if (recorded) {
        tell(`${home.directory}/code`, 7);
        await namespace.gone(job.leader);
        await until("its end is recorded", () => existsSync(`${home.state}/exits/${job.id}`));
        // It stays for as long as somebody of its job does.
        if (reused.includes("shim")) await namespace.kill(job.shim);
      } else await namespace.kill(job.shim, job.leader);
      if (stopping) {
        home.edit(`UPDATE jobs SET stopping = '${stopping}', stopping_boot_ms = 0`);
      }
      const strangers = [];
      for (const which of reused) strangers.push(await namespace.stranger(job[which], place));
      await namespace.start();
      const { state, reason, exitCode, released } = await home.wait(job.id);
      assertEquals(
        [state, reason, exitCode, released],
        [
          stopping === "cancel" ? "CANCELLED" : "FAILED",
          stopping === "cancel" ? "cancelled" : stopping ?? (recorded ? "exit" : "interrupted"),
          recorded ? "7:0" : "-999:0",
          true,
        ],
      );
      await namespace.gone(job.left);
      for (const stranger of strangers) await stranger.assertUntouched();
    },
  );
}

Deno.test("a job whose shim's pid is a stranger's is adopted, and its cancel reaches it alone", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  await using namespace = await PidNamespace.open(home);
  await namespace.start();
  const job = await obedient(home, { grace: 1 });
  await namespace.crash();
  await namespace.kill(job.shim);
  const stranger = await namespace.stranger(job.shim, "leader");
  await namespace.start();
  const { state, pid, adopted } = await home.status(job.id);
  assertEquals([state, pid, adopted], ["RUNNING", job.leader, true]);
  await home.cancel(job.id);
  assertEquals((await home.wait(job.id)).exitCode, "0:9");
  await namespace.gone(job.leader, job.left);
  await stranger.assertUntouched();
});

for (const ask of ["nothing", "cancel", "timeout"] as const) {
  Deno.test(
    `a job that has ended keeps its own exit until its shim can tell it, its leader's pid a stranger's: asked ${ask}`,
    { ignore: !IS_ROOT },
    async () => {
      await using home = new Home();
      await using namespace = await PidNamespace.open(home);
      await namespace.start("--check-interval", "1s");
      const job = await obedient(home, { timeout: ask === "timeout" ? 5 : 0 });
      const { startedAt } = await home.status(job.id);
      // The shim tries every second, and succeeds when the directory is made.
      Deno.symlinkSync(`${home.directory}/later/record`, `${home.state}/exits/${job.id}`);
      tell(`${home.directory}/code`, 7);
      await namespace.gone(job.leader);
      await namespace.crash();
      const stranger = await namespace.stranger(job.leader, "leader");
      await namespace.start("--check-interval", "1s");
      assertEquals((await home.status(job.id)).state, "RUNNING");
      if (ask === "cancel") assertEquals((await home.cancel(job.id)).stopping, undefined);
      if (ask === "timeout") {
        const deadline = Date.parse(startedAt!) + 5000;
        await until("its deadline has passed", () => Date.now() > deadline + 1500);
      }
      Deno.mkdirSync(`${home.directory}/later`);
      const { state, reason, exitCode } = await home.wait(job.id);
      assertEquals([state, reason, exitCode], ["FAILED", "exit", "7:0"]);
      await namespace.gone(job.left);
      await stranger.assertUntouched();
    },
  );
}

Deno.test("a session whose number was a job's leader's is a stranger's, also while we watch", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  await using namespace = await PidNamespace.open(home);
  await namespace.start();
  const job = await obedient(home);
  await namespace.crash();
  await namespace.start();
  assertEquals((await home.status(job.id)).adopted, true);
  Deno.symlinkSync(`${home.directory}/later/record`, `${home.state}/exits/${job.id}`);
  tell(`${home.directory}/code`, 7);
  await namespace.gone(job.leader);
  const stranger = await namespace.stranger(job.leader, "member");
  Deno.mkdirSync(`${home.directory}/later`);
  assertEquals((await home.wait(job.id)).exitCode, "7:0");
  await namespace.gone(job.left);
  await stranger.assertUntouched();
});

Deno.test("the exit of an orphan under the pid of an ended leader is not taken for the leader's", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  await using namespace = await PidNamespace.open(home);
  await namespace.start();
  const job = await obedient(home);
  Deno.symlinkSync(`${home.directory}/later/record`, `${home.state}/exits/${job.id}`);
  tell(`${home.directory}/code`, 7);
  await namespace.gone(job.leader);
  // Its orphan comes to the supervisor, which reaps it.
  const script = `echo ${job.leader - 1} >/proc/sys/kernel/ns_last_pid
    sh -c 'sleep 0.2; exit 42' & [ $! = ${job.leader} ]`;
  await until("an orphan has had the pid", async () => {
    return (await home.wait(await home.submit(script))).exitCode === "0:0";
  });
  await namespace.gone(job.leader);
  Deno.mkdirSync(`${home.directory}/later`);
  assertEquals((await home.wait(job.id)).exitCode, "7:0");
});

async function obedient(home: Home, spec: { grace?: number; timeout?: number } = {}) {
  const id = await home.submit(OBEDIENT, { grace: 0, timeout: 0, ...spec });
  const leader = (await home.running(id)).pid!;
  await until("it ignores SIGTERM", () => home.lines("up").length > 0);
  return { id, leader, shim: shimOf(home, id), left: Number(home.lines("left")[0]) };
}
