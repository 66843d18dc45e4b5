/**
 * Two things at the same moment, on the compiled binary: each race is run many times with offsets
 * that let either side win, and whoever wins, the outcome is one that was told and the job ran once.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Job, Spec } from "../../src/varlink/interface.ts";
import { Client, VarlinkError } from "../../src/varlink/client.ts";
import { BINARY, Home, tell, until } from "./home.ts";

const ENDS = ["COMPLETED", "FAILED", "CANCELLED"];
const MANY = ["--cpus", "1000"];

Deno.test("of two supervisors started at once exactly one serves; the other names it", async () => {
  await using home = new Home();
  const launch = () =>
    new Deno.Command(BINARY, {
      args: ["daemon"],
      env: { ...home.environment, LOG_LEVEL: "ERROR" },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  for (let round = 0; round < 100; round++) {
    const both = [launch(), launch()];
    try {
      const refused = await Promise.race(both.map((each) => each.status.then(() => each)));
      const [serving] = both.filter((each) => each !== refused);
      assertEquals((await refused.status).code, 1);
      const told = await new Response(refused.stderr).text();
      assertMatch(told, new RegExp(`another supervisor, pid ${serving!.pid}, holds`));
      await until("the other serves", () => home.answers());
      const { node } = await home.use((client) => client.call("Node", {}));
      assertEquals(node.pid, serving!.pid);
    } finally {
      for (const each of both) {
        await kill(each);
        if (!each.stderr.locked) await each.stderr.cancel();
      }
    }
  }
});

Deno.test("a cancel at the moment of exit: the job ends as the cancel was answered", async () => {
  await using home = await Home.start(...MANY);
  const ends = await Promise.all(
    [Infinity, ...offsets(60, -10, 20)].map(async (offset) => {
      const job = await obedient(home);
      const [cancelled] = await together(
        offset,
        () => home.cancel(job.id),
        () => job.end(3),
      );
      const end = await settled(home, job.id);
      if (ENDS.includes(cancelled.state)) assertEquals(end, cancelled);
      assertEquals(
        end.state,
        cancelled.stopping || cancelled.state === "CANCELLED" ? "CANCELLED" : "FAILED",
      );
      if (end.state === "FAILED") assertEquals([end.reason, end.exitCode], ["exit", "3:0"]);
      else assert(["0:15", "0:9", "3:0"].includes(end.exitCode!), end.exitCode);
      return end.state;
    }),
  );
  bothOccur(ends, "FAILED", "CANCELLED");
});

Deno.test("a cancel at the moment of the timeout: one of them is the reason, as it was answered", async () => {
  await using home = await Home.start(...MANY);
  const ends = await Promise.all(
    [-1500, ...offsets(60, -100, 60)].map(async (offset) => {
      const job = await obedient(home, { timeout: 2 });
      const { startedAt } = await home.status(job.id);
      await later(Date.parse(startedAt!) + 2000 + offset - Date.now());
      const cancelled = await home.cancel(job.id);
      const end = await settled(home, job.id);
      const isCancelled = cancelled.stopping === "cancel";
      assertEquals(
        [end.state, end.reason],
        isCancelled ? ["CANCELLED", "cancelled"] : ["FAILED", "timeout"],
      );
      return end.state;
    }),
  );
  bothOccur(ends, "FAILED", "CANCELLED");
});

Deno.test("two cancels at once are one: both answered, one intent, one end", async () => {
  await using home = await Home.start(...MANY);
  await Promise.all(
    offsets(40, 0, 8).map(async (offset) => {
      const job = await obedient(home);
      const both = await together(offset, () => home.cancel(job.id), () => home.cancel(job.id));
      for (const { state, stopping } of both) {
        assert(stopping === "cancel" || state === "CANCELLED");
      }
      assertEquals((await settled(home, job.id)).state, "CANCELLED");
    }),
  );
});

Deno.test("a cancel at the moment of the start: the job runs once or never, and is CANCELLED", async () => {
  await using home = await Home.start(...MANY);
  const ends = await Promise.all(
    offsets(60, 0, 40).map(async (offset) => {
      const id = await home.submit("echo $HOLDFAST_JOB_ID >>ran; exec sleep 1000", { grace: 0 });
      await later(offset);
      await home.cancel(id);
      const end = await home.wait(id);
      assertEquals([end.state, end.released], ["CANCELLED", true]);
      assertEquals(await endings(home, id), 1);
      assert(ran(home, id) <= 1);
      return end.exitCode === undefined ? "never ran" : "ran";
    }),
  );
  assert(ends.includes("ran"));
  assertEquals(home.processes(), []);
});

Deno.test("a signal at the moment of exit: the exit is the signal's or the job's own", async () => {
  await using home = await Home.start(...MANY);
  const ends = await Promise.all(
    [Infinity, ...offsets(60, -10, 20)].map(async (offset) => {
      const job = await obedient(home);
      const [answer] = await together(
        offset,
        () => refusal(home.use((client) => client.call("Signal", { id: job.id, signal: "USR1" }))),
        () => job.end(3),
      );
      assert([undefined, "NotRunning", "JobEnded"].includes(answer), answer);
      const { exitCode } = await settled(home, job.id);
      if (answer) assertEquals(exitCode, "3:0");
      return exitCode!;
    }),
  );
  bothOccur(ends, "3:0", "0:10");
});

Deno.test("a job resubmitted while it ends runs again once, after the first is gone", async () => {
  await using home = await Home.start("--cpus", "1");
  const command = `mkdir busy || echo $HOLDFAST_JOB_ID >>overlaps
    trap 'sleep 0.02; rmdir busy; exit 4' TERM; echo $HOLDFAST_JOB_ID >>ran; while :; do sleep 0.01; done`;
  for (const offset of offsets(20, -5, 40)) {
    const id = await home.submit(command);
    await until("it runs", () => ran(home, id) === 1);
    const [, { job }] = await together(
      offset,
      () => home.cancel(id),
      () => home.use((client) => client.call("Resubmit", { id })),
    );
    assertEquals((await settled(home, id)).exitCode, "4:0");
    await until("it runs again", () => ran(home, job.id) === 1);
    await home.cancel(job.id);
    assertEquals((await settled(home, job.id)).exitCode, "4:0");
  }
  assertEquals(home.lines("overlaps"), []);
});

Deno.test("of jobs submitted while the node is drained and resumed the accepted ones run, once", async () => {
  await using home = await Home.start(...MANY);
  let isOver = false;
  const toggle = async () => {
    while (!isOver) {
      await home.use((client) => client.call("Drain", {}));
      await later(3);
      await home.use((client) => client.call("Resume", {}));
      await later(3);
    }
  };
  const toggling = toggle();
  const answers = await Promise.all(
    offsets(100, 0, 400).map(async (offset) => {
      await later(offset);
      try {
        return await home.submit("echo $HOLDFAST_JOB_ID >>ran");
      } catch (error) {
        assertEquals((error as Error).name, "Draining");
        return 0;
      }
    }),
  );
  isOver = true;
  await toggling;
  const ids = answers.filter((id) => id > 0);
  for (const id of ids) assertEquals((await settled(home, id)).state, "COMPLETED");
  assert(ids.length > 0 && ids.length < answers.length, `${ids.length} were accepted`);
  assertEquals(home.lines("ran").length, ids.length);
});

Deno.test("a wait is answered with the job's end even when it is pruned at that moment", async () => {
  await using home = await Home.start(...MANY);
  await Promise.all(
    offsets(40, 0, 30).map(async (offset) => {
      const job = await obedient(home);
      const client = await Client.connect(home.socket);
      // In one write with a call that is answered, so that it is known to have arrived.
      const arrived = client.call("Status", { id: job.id });
      const waiting = client.call("Wait", { id: job.id, timeout: 20 });
      await arrived;
      await job.end(3);
      await later(offset);
      const prune = () => home.use((client) => client.call("Prune", { olderThan: 0 }));
      await until("it is pruned", async () => {
        await prune();
        return await refusal(home.status(job.id)) === "NoSuchJob";
      });
      assertEquals((await waiting).job.exitCode, "3:0");
      client.close();
      assertEquals(ran(home, job.id), 1);
    }),
  );
  const runs = [...Deno.readDirSync(`${home.state}/runs`)].filter(({ isDirectory }) => isDirectory);
  assertEquals(runs, []);
});

Deno.test("a client killed before its answer that asks again with its key has one job", async () => {
  await using home = await Home.start(...MANY);
  await Promise.all(
    offsets(40, 0, 100).map(async (offset, i) => {
      const words = [
        "submit",
        "--key",
        `key-${i}`,
        "sh",
        "-c",
        `echo ${i} >>${home.directory}/keys`,
      ];
      const client = home.spawn(BINARY, words);
      await later(offset);
      await kill(client);
      const { code, stdout } = await home.run(...words);
      assertEquals(code, 0);
      const again = await home.run(...words);
      assertEquals(again.stdout, stdout);
      assertEquals((await home.wait(Number(stdout))).state, "COMPLETED");
    }),
  );
  assertEquals(
    home.lines("keys").map(Number).sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
});

Deno.test("a connection that is dropped with a submission in flight and asks again has one job", async () => {
  await using home = await Home.start(...MANY);
  const spec = { command: ["sh", "-c", "echo $HOLDFAST_JOB_ID >>ran"], directory: home.directory };
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const call = {
      method: "io.holdfast.Submit",
      parameters: { spec: { ...spec, key: `key-${i}` } },
    };
    const bytes = new TextEncoder().encode(JSON.stringify(call) + "\0");
    const connection = await Deno.connect({ transport: "unix", path: home.socket });
    // Some are cut short, most are whole.
    await connection.write(i % 5 === 0 ? bytes.subarray(0, -1) : bytes);
    connection.close();
    const ask = () => home.use((client) => client.call("Submit", call.parameters));
    const [first, second] = await Promise.all([ask(), ask()]);
    assertEquals(first.job.id, second.job.id);
    if (i % 5 === 0) assertEquals([first.created, second.created].filter(Boolean).length, 1);
    assertEquals((await settled(home, first.job.id)).state, "COMPLETED");
  }));
  assertEquals(home.lines("ran").length, 100);
});

/** A running job that ends with the code that it is told. */
async function obedient(home: Home, spec: Partial<Spec> = {}) {
  const id = await home.submit(
    `code=code.$HOLDFAST_JOB_ID; mkfifo $code; exec 3<>$code
    echo $HOLDFAST_JOB_ID >>ran; read -r code <&3; exit $code`,
    { timeout: 0, ...spec },
  );
  await home.running(id);
  await until("it can be told", () => ran(home, id) === 1);
  return { id, end: async (code: number) => await tell(`${home.directory}/code.${id}`, code) };
}

/** The end of a job that ran once: told once, with nothing after it. */
async function settled(home: Home, id: number): Promise<Job> {
  const job = await home.wait(id);
  assertEquals([job.released, await endings(home, id), ran(home, id)], [true, 1, 1]);
  return job;
}

/** How often a job's end is in its history, which must end with it. */
async function endings(home: Home, id: number): Promise<number> {
  const { events } = await home.use((client) => client.call("History", { id }));
  assert(ENDS.includes(events.at(-1)!.state));
  assert(events.filter(({ stopping }) => stopping).length <= 1);
  return events.filter(({ state }) => ENDS.includes(state)).length;
}

function ran(home: Home, id: number): number {
  return home.lines("ran").filter((line) => Number(line) === id).length;
}

/** Evenly spread, in ms. */
function offsets(count: number, from: number, to: number): number[] {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
}

/** Begins `second` so many ms after `first`, or before it; when it is done, for Infinity. */
async function together<A, B>(
  offset: number,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<[A, B]> {
  if (offset === Infinity) return [await first(), await second()];
  return await Promise.all([
    later(-offset).then(first),
    later(offset).then(second),
  ]);
}

/** The offset between two sides of a race; nothing depends on how long it takes. */
function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

function bothOccur(outcomes: string[], ...expected: string[]): void {
  assertEquals([...new Set(outcomes)].sort(), expected.sort());
}

async function refusal(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof VarlinkError) return error.name;
    throw error;
  }
}

async function kill(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await child.status;
}
