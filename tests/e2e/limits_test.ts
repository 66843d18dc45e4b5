/** Limits of real jobs: what they find, what the node allows, and on which CPUs they run. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Spec } from "../../src/varlink/interface.ts";
import { VarlinkError } from "../../src/varlink/client.ts";
import { Home, IS_ROOT, until } from "./home.ts";

const CPUS = allowedCpus("self");
const SLEEP = ["sleep", "1000"];
const hasTwo = CPUS.length >= 2;

Deno.test("a job has the limits that it asks for, and status tells them", async () => {
  await using home = await Home.start();
  const limits = ["open-files=100", "core-size=0", "file-size=1M", "stack-size=1M", "nice=7"];
  const words = [...limits, "umask=027"].flatMap((limit) => ["--limit", limit]);
  const script = "umask; nice; cat /proc/self/limits";
  const { code, stdout } = await home.run("run", ...words, "sh", "-c", script);
  assertEquals(code, 0);
  assertMatch(stdout, /^0027\n7\n/);
  for (const [name, value] of [["open files", 100], ["core file size", 0]]) {
    assertMatch(stdout, new RegExp(`Max ${name} +${value} +${value} `));
  }
  for (const name of ["file size", "stack size"]) {
    assertMatch(stdout, new RegExp(`Max ${name} +1048576 +1048576 `));
  }
  const told = (await home.run("status", "1")).stdout;
  assertMatch(told.replace(/\s+/g, " "), /Limits: open-files 100, core-size 0 B, .* umask 027/);
});

Deno.test("a job that says nothing has the supervisor's limits, and its logs one", async () => {
  await using home = await Home.start();
  const id = await home.submit("umask; nice; grep -E 'file size|open files' /proc/self/limits");
  assertEquals((await home.wait(id)).spec.limits, { logSize: 2 ** 30 });
  const own = await new Deno.Command("sh", { args: ["-c", "nice; ulimit -Sn"] }).output();
  const [nice, openFiles] = new TextDecoder().decode(own.stdout).split("\n");
  assertMatch(home.stdout(id), new RegExp(`^0022\n${nice}\n`));
  assertMatch(home.stdout(id), new RegExp(`Max open files +${openFiles} `));
});

Deno.test("the OOM score of a job is 0 unless it asks for another, whatever the supervisor's is", async () => {
  await using home = new Home();
  // Less than it has would need CAP_SYS_RESOURCE, which root in a container may not have.
  const own = 400;
  const script = `echo ${own} >/proc/self/oom_score_adj; exec "$@"`;
  home.launch([], ["sh", "-c", script, "sh"]);
  await until("it answers", () => home.answers());
  const look = "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj";
  const [said, silent] = [
    await home.submit(look, { limits: { oomScore: 250 } }),
    await home.submit(look),
  ];
  await home.wait(said);
  await home.wait(silent);
  assertEquals(home.stdout(said), `250\n${own}\n`);
  assertEquals(home.stdout(silent), `0\n${own}\n`);
});

Deno.test("a job that writes more than its file size ends by SIGXFSZ", async () => {
  await using home = await Home.start();
  const id = await home.submit("exec head -c 100000 /dev/zero >big", {
    limits: { fileSize: 5120 },
  });
  const { state, reason, exitCode } = await home.wait(id);
  assertEquals([state, reason, exitCode], ["FAILED", "signal", "0:25"]);
  assertEquals(Deno.statSync(`${home.directory}/big`).size, 5120);
});

Deno.test("a limit that cannot be set fails the start with its name", async () => {
  await using home = await Home.start();
  const id = await home.submit("touch ran", { limits: { openFiles: 2_000_000_000 } });
  const { state, reason, message } = await home.wait(id);
  assertEquals([state, reason], ["FAILED", "startFailed"]);
  assertMatch(message!, /cannot set openFiles to 2000000000/);
  assertEquals(home.lines("ran"), []);
});

Deno.test("what is beyond the node's maxima is refused with both numbers", async () => {
  const flags = ["--max-limits", "open-files=200", "--max-limits", "nice=5", "--max-timeout", "1h"];
  await using home = await Home.start(...flags, "--max-cpus", "2", "--max-memory", "1M");
  const cases: [Partial<Spec>, string, RegExp][] = [
    [{ limits: { openFiles: 201 } }, "limits", /openFiles is 201, .* at most 200/],
    [{ limits: { nice: 0 } }, "limits", /nice is 0, .* no less than 5/],
    [{ timeout: 3601 }, "timeout", /is 3601 s, .* at most 3600/],
    [{ cpus: 3 }, "cpus", /is 3, .* at most 2/],
    [{ memory: 2 ** 21 }, "memory", /is 2097152 bytes, .* at most 1048576/],
  ];
  for (const [spec, field, message] of cases) {
    const error = await refusalOf(home, spec);
    assertEquals([error.name, error.parameters.field], ["InvalidJob", field]);
    assertMatch(String(error.parameters.message), message);
  }
  const { code, stderr } = await home.run("submit", "--limit", "open-files=201", "true");
  assertEquals(code, 2);
  assertMatch(stderr, /openFiles is 201, and this node allows at most 200/);
  const fits = await home.wait(await home.submit("nice; ulimit -n"));
  assertEquals([home.stdout(fits.id), fits.spec.timeout], ["5\n200\n", 3600]);
});

Deno.test("what nothing here could enforce is refused at once", { ignore: !IS_ROOT }, async () => {
  // A cgroup with the pids controller could.
  await using home = await Home.start("--cgroup", "off");
  const error = await refusalOf(home, { limits: { processes: 10 } });
  assertMatch(String(error.parameters.message), /processes cannot be limited here/);
});

Deno.test("a node that cannot hold its own limit of processes refuses jobs and serves on", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = await Home.start("--cgroup", "off", "--default-limits", "processes=10");
  assertMatch(home.log, /WARN.*processes cannot be limited here/);
  const error = await refusalOf(home, {});
  assertMatch(String(error.parameters.message), /processes cannot be limited here/);
});

Deno.test("without privilege processes are limited, and nobody is nicer than the supervisor", {
  ignore: !IS_ROOT,
}, async () => {
  await using home = new Home();
  Deno.chownSync(home.directory, 65534, 65534);
  home.launch(["--cgroup", "off"], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
  await until("a supervisor answers", () => home.answers());
  const error = await refusalOf(home, { limits: { nice: -1 } });
  assertMatch(String(error.parameters.message), /nice is -1, .* no less than 0/);
  const id = await home.submit("cat /proc/self/limits", { limits: { processes: 4321 } });
  await home.wait(id);
  assertMatch(home.stdout(id), /Max processes +4321 +4321 /);
});

Deno.test("a job keeps the limits of its submission, whatever the next configuration says", async () => {
  await using home = await Home.start("--default-limits", "open-files=100");
  const before = await home.running(await home.submit(SLEEP, { cpus: 8 }));
  const spec = { key: "once" };
  const id = await home.submit("ulimit -n", spec);
  await home.restart("--default-limits", "open-files=200", "--pin-jobs", "exclusive");
  assertEquals(await home.submit("ulimit -n", spec), id, "the same request is the same job");
  await home.cancel(before.id);
  const { spec: { limits, pin } } = await home.wait(id);
  assertEquals([home.stdout(id), limits?.openFiles, pin], ["100\n", 100, undefined]);
  const next = await home.wait(await home.submit("ulimit -n"));
  assertEquals([home.stdout(next.id), next.spec.pin], ["200\n", "exclusive"]);
});

Deno.test("exclusive jobs have CPUs that no other pinned job has, and wait for them", {
  ignore: !hasTwo,
}, async () => {
  await using home = await Home.start();
  const half = Math.floor(CPUS.length / 2);
  const pinned = { cpus: half, pin: "exclusive" } as const;
  const first = await home.running(await home.submit(SLEEP, pinned));
  const second = await home.running(await home.submit(SLEEP, pinned));
  assertEquals([first.cpuSet, second.cpuSet], [CPUS.slice(0, half), CPUS.slice(half, 2 * half)]);
  for (const { id, pid, cpuSet } of [first, second]) {
    assertEquals(allowedCpus(pid!), cpuSet, `job ${id}`);
  }
  const third = await home.submit(SLEEP, { ...pinned, cpus: 2 * half });
  await home.restart();
  const adopted = await home.status(first.id);
  assertEquals([adopted.adopted, adopted.cpuSet], [true, first.cpuSet]);
  assertEquals(allowedCpus(adopted.pid!), first.cpuSet);
  await home.cancel(first.id);
  await home.wait(first.id);
  assertEquals((await home.status(third)).state, "QUEUED", "half of the CPUs are still taken");
  await home.cancel(second.id);
  assertEquals((await home.running(third)).cpuSet, CPUS.slice(0, 2 * half));
});

Deno.test("shared jobs spread over the CPUs, and jobs that are not pinned run anywhere", {
  ignore: !hasTwo,
}, async () => {
  await using home = await Home.start();
  const start = async (...flags: string[]) => {
    const { stdout } = await home.run("submit", ...flags, ...SLEEP);
    return await home.running(Number(stdout));
  };
  const sets = [];
  for (let i = 0; i < 3; i++) sets.push((await start("--pin-shared")).cpuSet);
  assertEquals(sets, [0, 1, 2 % CPUS.length].map((at) => [CPUS[at]!]));
  const free = await start();
  assertEquals([free.cpuSet, allowedCpus(free.pid!)], [undefined, CPUS]);
  assertEquals(allowedCpus(home.pid), CPUS, "the supervisor is not bound");
});

Deno.test("exclusive and shared jobs wait for one another, and are told what for", {
  ignore: !hasTwo,
}, async () => {
  await using home = await Home.start("--cpus", "1000");
  const all = { cpus: CPUS.length, pin: "exclusive" } as const;
  const shared = await home.running(await home.submit(SLEEP, { pin: "shared" }));
  const whole = await home.submit(SLEEP, { ...all, priority: 1 });
  assertMatch((await home.status(whole)).waiting!, /CPUs? free to be pinned/);
  await home.cancel(shared.id);
  assertEquals((await home.running(whole)).cpuSet, CPUS);
  const later = await home.submit(SLEEP, { pin: "shared" });
  assertMatch((await home.status(later)).waiting!, /0 CPUs free to be shared/);
  const free = await home.running(await home.submit(SLEEP));
  assertEquals(free.cpuSet, undefined, "a job that is not pinned passes");
  await home.cancel(whole);
  assertEquals((await home.running(later)).cpuSet, [CPUS[0]!]);
});

Deno.test("a pin to more CPUs than the node has is refused", async () => {
  await using home = await Home.start("--cpus", "100000");
  const cpus = CPUS.length + 1;
  const error = await refusalOf(home, { cpus, pin: "exclusive" });
  assertEquals(error.parameters.field, "pin");
  assertMatch(String(error.parameters.message), new RegExp(`${cpus} .* has ${CPUS.length}`));
});

async function refusalOf(home: Home, spec: Partial<Spec>): Promise<VarlinkError> {
  try {
    await home.submit("true", spec);
  } catch (error) {
    assert(error instanceof VarlinkError, String(error));
    return error;
  }
  throw new Error(`not refused: ${JSON.stringify(spec)}`);
}

/** Ids of the CPUs on which a process may run. */
function allowedCpus(pid: number | "self"): number[] {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const ranges = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)![1]!.split(",");
  return ranges.flatMap((range) => {
    const [from, to = from] = range.split("-").map(Number) as [number, number?];
    return Array.from({ length: to! - from + 1 }, (_, i) => from + i);
  });
}
