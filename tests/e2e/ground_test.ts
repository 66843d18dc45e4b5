/**
 * What a supervisor makes of jobs when the ground on which pids mean something has changed, or when
 * /proc cannot be read: match, mismatch or unverifiable, on the compiled binary. The changes are
 * mounts that only the supervisor sees.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { PLAIN_CGROUPS } from "./grounds.ts";
import { Home, IS_ROOT, isAlive, shimOf, tell, until } from "./home.ts";
import { PidNamespace } from "./pid_namespace.ts";

const ROOT_ONLY = { ignore: !IS_ROOT };
const OFTEN = ["--check-interval", "1s"];
const WAITING = "mkfifo code; exec 3<>code; read -r code <&3; exit $code";

for (const recorded of [true, false]) {
  Deno.test(
    `under another boot id a job is FAILED, by ${recorded ? "its exit record" : "reboot"}`,
    ROOT_ONLY,
    async () => {
      await using home = await Home.start();
      const id = await home.submit(WAITING);
      const { pid } = await home.running(id);
      await home.crash();
      const shim = shimOf(home, id);
      if (recorded) await end(home, 7);
      else for (const each of [shim, pid!]) Deno.kill(each, "SIGKILL");
      await gone(shim, pid!);
      await otherBoot(home);
      const { reason, exitCode, released } = await home.wait(id);
      assertEquals([reason, exitCode, released], [
        ...recorded ? ["exit", "7:0"] : ["reboot", "-999:0"],
        true,
      ]);
    },
  );
}

Deno.test(
  "under another boot id the strangers with a job's pids are not signalled",
  ROOT_ONLY,
  async () => {
    await using home = await Home.start();
    const id = await home.submit(["sleep", "1000"]);
    const { pid } = await home.running(id);
    await home.crash();
    const shim = shimOf(home, id);
    for (const each of [shim, pid!]) Deno.kill(each, "SIGKILL");
    await using stranger = new Stranger(home);
    await until("it is up", () => home.lines("stranger").length > 0);
    const startTicks = Deno.readTextFileSync(`/proc/${stranger.pid}/stat`).split(" ")[21]!;
    // Same pid, same start time: only the boot tells them apart.
    home.edit(
      `UPDATE resource_allocations SET process_id = ${stranger.pid}, process_start_ticks = ${startTicks},
      shim_process_id = ${stranger.pid}, shim_start_ticks = ${startTicks};
    UPDATE jobs SET stopping = 'cancel', stopping_boot_ms = 0`,
    );
    await otherBoot(home);
    assertEquals((await home.wait(id)).state, "CANCELLED");
    assertEquals(home.lines("stranger"), ["up"]);
  },
);

Deno.test(
  "under another boot id an exit record that cannot be read is waited for",
  ROOT_ONLY,
  async () => {
    await using home = await Home.start();
    const id = await home.submit(WAITING);
    const { pid } = await home.running(id);
    await home.crash();
    const shim = shimOf(home, id);
    await end(home, 7);
    await gone(shim, pid!);
    const record = `${home.state}/exits/${id}`;
    Deno.renameSync(record, `${home.directory}/record`);
    Deno.mkdirSync(record);
    await otherBoot(home);
    assertEquals((await home.status(id)).state, "RUNNING");
    assertMatch(home.log, /WARN unverifiable job=1 /);
    Deno.removeSync(record);
    Deno.renameSync(`${home.directory}/record`, record);
    assertEquals((await home.wait(id)).exitCode, "7:0");
  },
);

Deno.test(
  "a state directory taken into another pid namespace: jobs are FAILED reboot, no stranger is signalled",
  ROOT_ONLY,
  async () => {
    await using home = new Home();
    await using first = await PidNamespace.open(home);
    await first.start("--cgroup", "off");
    const id = await home.submit(WAITING, { grace: 0 });
    const { pid } = await home.running(id);
    const shim = shimOf(home, id);
    await first.crash();
    await using second = await PidNamespace.open(home);
    const strangers = [
      await second.stranger(pid!, "leader"),
      await second.stranger(shim, "leader"),
    ];
    await second.start("--cgroup", "off");
    const ended = await home.wait(id);
    assertEquals([ended.state, ended.reason, ended.exitCode], ["FAILED", "reboot", "-999:0"]);
    for (const stranger of strangers) await stranger.assertUntouched();
    // What its shim says later changes nothing.
    await end(home, 7);
    await first.gone(pid!, shim);
    await second.crash();
    await second.start("--cgroup", "off");
    assertEquals(await home.status(id), ended);
  },
);

Deno.test(
  "a job in a pid namespace that cannot be looked into is ended by its cgroup before it is released",
  { ignore: !IS_ROOT || !PLAIN_CGROUPS },
  async () => {
    using ground = PLAIN_CGROUPS!();
    await using home = new Home();
    await using first = await PidNamespace.open(home);
    await first.start(...ground.flags);
    const id = await home.submit(["sleep", "1000"], { grace: 0 });
    const { pid } = await home.running(id);
    await first.crash();
    await using second = await PidNamespace.open(home);
    await second.start(...ground.flags);
    const { state, released } = await home.wait(id);
    assertEquals([state, released], ["FAILED", true]);
    await first.gone(pid!);
  },
);

Deno.test(
  "a job whose pid namespace lies below the supervisor's is ended before it is released",
  ROOT_ONLY,
  async () => {
    await using home = new Home();
    await using namespace = await PidNamespace.open(home);
    await namespace.start();
    const id = await home.submit(["sleep", "1000"], { grace: 0 });
    const { pid } = await home.running(id);
    const shim = shimOf(home, id);
    await namespace.crash();
    await home.start();
    // Its shim may have told that it was killed before it was killed itself.
    const { state, exitCode, released } = await home.wait(id);
    assertEquals([state, released], ["FAILED", true]);
    assert(["-999:0", "0:9"].includes(exitCode!), exitCode);
    await namespace.gone(pid!, shim);
  },
);

for (const hidden of ["shim", "leader"] as const) {
  Deno.test(
    `a job whose ${hidden} cannot be looked at is left as it is and told, and adopted when it can`,
    ROOT_ONLY,
    async () => {
      await using home = await Home.start();
      const id = await home.submit("trap 'echo TERM >>signals' TERM; " + WAITING, {
        timeout: 1,
        grace: 0,
      });
      const { pid, startedAt } = await home.running(id);
      const path = `/proc/${hidden === "shim" ? shimOf(home, id) : pid}/stat`;
      await home.crash();
      await until("its deadline has passed", () => Date.now() > Date.parse(startedAt!) + 1200);
      await startHiding(home, path);
      assertEquals((await home.status(id)).state, "RUNNING");
      assertMatch(home.log, new RegExp(`WARN unverifiable job=1 .*its ${hidden}, pid`));
      await home.crash();
      const plan = await home.run("recover", "--dry-run");
      assertMatch(plan.stdout, /^1 {2}RUNNING {2}adopted/, "others can look");
      await startHiding(home, path);
      assertEquals((await home.cancel(id)).stopping, "cancel");
      await until("it was looked at again", () => /job=1 .*looking again/.test(home.log));
      assertEquals([(await home.status(id)).stopping, home.lines("signals")], ["cancel", []]);
      assert(isAlive(pid!));
      await reveal(home, path);
      assertEquals((await home.wait(id)).state, "CANCELLED");
      assert(!isAlive(pid!));
    },
  );
}

Deno.test(
  "a job that dies while it cannot be looked at is interrupted when it can",
  ROOT_ONLY,
  async () => {
    await using home = await Home.start();
    const id = await home.submit(["sleep", "1000"]);
    const { pid } = await home.running(id);
    const shim = shimOf(home, id);
    await home.crash();
    const path = `/proc/${shim}/stat`;
    await startHiding(home, path);
    Deno.kill(shim, "SIGKILL");
    Deno.kill(pid!, "SIGKILL");
    const { reason, exitCode } = await home.wait(id);
    assertEquals([reason, exitCode], ["interrupted", "-999:0"]);
  },
);

for (const file of ["stat", "environ"]) {
  Deno.test(
    `an ended job is not released while the ${file} of what it left behind cannot be read`,
    ROOT_ONLY,
    async () => {
      await using home = await Home.start();
      const id = await home.submit(`setsid sleep 1000 & echo $! >left; ${WAITING}`, { grace: 0 });
      await home.running(id);
      const left = await until("it has left one", () => Number(home.lines("left")[0]));
      await home.crash();
      const shim = shimOf(home, id);
      await startHiding(home, `/proc/${left}/${file}`);
      assertEquals((await home.status(id)).adopted, true);
      // Below its shim it is found without.
      if (file === "environ") Deno.kill(shim, "SIGKILL");
      await end(home, 7);
      await until(
        "it is told, or over",
        async () =>
          /unverifiable job=1 .*left behind/.test(home.log) || (await home.status(id)).released,
      );
      assertEquals([(await home.status(id)).state, isAlive(left)], ["RUNNING", true]);
      await reveal(home, `/proc/${left}/${file}`);
      const { exitCode } = await home.wait(id);
      // Before Linux 6.15 nobody knows how one has ended whose shim was killed.
      assert(exitCode === "7:0" || (file === "environ" && exitCode === "-999:0"), exitCode);
      assert(!isAlive(left));
    },
  );
}

Deno.test(
  "what a job left behind is found below its shim, whatever cannot be read of it",
  ROOT_ONLY,
  async () => {
    await using home = await Home.start();
    const id = await home.submit(`setsid sleep 1000 & echo $! >left; ${WAITING}`, { grace: 0 });
    await home.running(id);
    const left = await until("it has left one", () => Number(home.lines("left")[0]));
    await home.crash();
    await startHiding(home, `/proc/${left}/environ`);
    await end(home, 7);
    assertEquals((await home.wait(id)).exitCode, "7:0");
    assert(!isAlive(left));
  },
);

/** Starts a supervisor that cannot read some files, as if the kernel had an error to give. */
async function startHiding(home: Home, ...paths: string[]): Promise<void> {
  const script = `while [ "$1" != -- ]; do mount --bind /proc/$$/mem "$1" || exit; shift; done
shift; exec "$@"`;
  home.launch(OFTEN, ["unshare", "--mount", "sh", "-c", script, "sh", ...paths, "--"]);
  await until(`a supervisor answers; log: ${home.log}`, () => home.answers());
}

async function reveal(home: Home, path: string): Promise<void> {
  const { success } = await new Deno.Command("nsenter", {
    args: ["--target", String(home.pid), "--mount", "umount", path],
  }).output();
  assert(success, `umount ${path}`);
}

async function otherBoot(home: Home): Promise<void> {
  const id = `${home.directory}/boot_id`;
  Deno.writeTextFileSync(id, `${crypto.randomUUID()}\n`);
  const script = `mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"`;
  home.launch(OFTEN, ["unshare", "--mount", "sh", "-c", script, "sh", id]);
  await until(`a supervisor answers; log: ${home.log}`, () => home.answers());
}

/** Notes a SIGTERM or SIGCONT. */
class Stranger implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  constructor(home: Home) {
    const script = `for s in TERM CONT; do trap "echo $s >>'$1'" $s; done
      mkfifo "$1.never"; exec 3<>"$1.never"; echo up >>"$1"; while :; do read -r _ <&3; done`;
    this.#process = new Deno.Command("setsid", {
      args: ["sh", "-c", script, "sh", `${home.directory}/stranger`],
    }).spawn();
  }

  get pid(): number {
    return this.#process.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

/** Has a waiting job end with a code. */
async function end(home: Home, code: number): Promise<void> {
  await until("it can be told", () => isFifo(`${home.directory}/code`));
  tell(`${home.directory}/code`, code);
}

function isFifo(path: string): boolean {
  try {
    return Deno.statSync(path).isFifo === true;
  } catch {
    return false;
  }
}

async function gone(...pids: number[]): Promise<void> {
  await until(`pids ${pids} have ended`, () => !pids.some(isAlive));
}
