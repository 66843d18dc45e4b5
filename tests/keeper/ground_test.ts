/** What the machine's ground does to a start: cgroups, users, full disks, and memory that is not executed. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { ownCgroup } from "../../src/host/cgroup_ground.ts";
import { removeCgroup } from "../../src/host/cgroups.ts";
import { bytesOf, libc } from "../../src/host/libc.ts";
import { executeKeeper } from "../../src/host/keeper_process.ts";
import { keeperProgram } from "../../src/host/keeper_program.ts";
import { raiseFileLimit } from "../../src/host/resource_limits.ts";
import { StartMessages } from "../../src/host/shim_start.ts";
import { AF_UNIX, DescriptorMessage, PACKET_FLAGS, receive } from "../../src/host/unix_socket.ts";
import { PLAIN_CGROUPS } from "../e2e/grounds.ts";
import { until } from "../e2e/home.ts";
import { buildKeeper, KeeperHome, PATH } from "./keeper_home.ts";

buildKeeper();

const IS_ROOT = Deno.uid() === 0;
const ROOT = new URL("../..", import.meta.url).pathname;

function newGroup(): string {
  const { directory } = ownCgroup() as { directory: string };
  return `${directory}/holdfast-test-${crypto.randomUUID()}`;
}

Deno.test({
  name: "a leader is in its cgroup from its first moment, and its shim is not",
  ignore: !PLAIN_CGROUPS,
  fn: async () => {
    await using home = new KeeperHome();
    const group = newGroup(), cgroup = `${group}/job-1-token`;
    Deno.mkdirSync(cgroup, { recursive: true });
    const script = "grep ^0:: /proc/self/cgroup /proc/$PPID/cgroup";
    const { stdout, record } = await home.run({ command: ["sh", "-c", script], cgroup });
    assertEquals(record?.exit, { code: 0, signal: 0 });
    const [own, shims] = stdout.trim().split("\n");
    assertMatch(own!, /\/job-1-token$/);
    assert(!shims!.endsWith("/job-1-token"), stdout);
    assert(removeCgroup(group));
  },
});

Deno.test({
  name: "a cgroup that was removed while it was empty is made again",
  ignore: !PLAIN_CGROUPS,
  fn: async () => {
    await using home = new KeeperHome();
    const group = newGroup();
    const cgroup = `${group}/job-1-token`;
    const { stdout } = await home.run({ command: ["cat", "/proc/self/cgroup"], cgroup });
    assertMatch(stdout, /^0::.*\/job-1-token$/m);
    assert(removeCgroup(group));
  },
});

Deno.test("one that cannot be made again is done without, and one that cannot be joined refuses", async () => {
  await using home = new KeeperHome();
  const gone = await home.run({ command: ["true"], cgroup: "/no/such/base/job" });
  assertEquals(gone.record?.exit, { code: 0, signal: 0 });
  const { record, told } = await home.run({ command: ["true"], cgroup: home.directory });
  assertEquals(record?.refusal?.by, "node");
  assertMatch(record!.refusal!.why, /^cannot join its cgroup \/.*: No such file or directory$/);
  assertEquals(told.kinds, ["forked", "claimed", "refused", "empty", "silent"]);
});

Deno.test("where none can be born in a cgroup it is written there before its command runs", async () => {
  await using home = new KeeperHome();
  const cgroup = `${home.directory}/cgroup`;
  Deno.mkdirSync(cgroup);
  Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, "");
  const { told, stdout } = await home.run({ command: ["cat", `${cgroup}/cgroup.procs`], cgroup });
  assertEquals(stdout, String(told.of("led")!.leader.pid));
});

Deno.test({
  name: "a job of another user has its ids and groups alone, and is refused what that user may not",
  ignore: !IS_ROOT,
  fn: async () => {
    await using home = new KeeperHome();
    const user = 65_534, groups = [65_534, 7];
    const script = "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapEff)' /proc/self/status";
    const shown = await asUser(home, ["sh", "-c", script], "/", user, groups);
    assertMatch(shown, /^65534\n65534\n65534 7\n|^65534\n65534\n7 65534\n/);
    assertMatch(shown, /Uid:\s+65534\s+65534\s+65534\s+65534\n/);
    assertMatch(shown, /CapEff:\s+0+\n/);
    Deno.mkdirSync(`${home.directory}/secret`, { mode: 0o700 });
    const id = await asUser(home, ["true"], `${home.directory}/secret`, user, groups);
    assertEquals(id, "");
    assertMatch(
      home.files.exitRecord(2)!.refusal!.why,
      /cannot enter the directory .*: Permission denied/,
    );
  },
});

/** What it has written. The supervisor asks for no user yet, so its message is made here. */
async function asUser(
  home: KeeperHome,
  command: string[],
  directory: string,
  user: number,
  groups: number[],
): Promise<string> {
  const id = directory === "/" ? 1 : 2;
  home.files.create(id);
  const means = { fileLimit: raiseFileLimit(), boundsProcesses: false };
  const { bytes } = new StartMessages(means).encode({
    id,
    attempt: 1,
    token: `t${id}`,
    directory,
    command,
    environment: { PATH },
  });
  const HEADER = 72, LIMIT = 24, HAS_CREDENTIALS = 1;
  const at = HEADER + LIMIT;
  const message = new Uint8Array(bytes.length + 4 * groups.length);
  message.set(bytes.subarray(0, at));
  message.set(bytes.subarray(at), at + 4 * groups.length);
  const view = new DataView(message.buffer);
  groups.forEach((group, i) => view.setUint32(at + 4 * i, group, true));
  view.setUint32(4, HAS_CREDENTIALS, true);
  view.setUint32(28, groups.length, true);
  view.setUint32(60, user, true);
  view.setUint32(64, user, true);
  const { socket, pid } = executeKeeper(keeperProgram(), home.directory);
  const ends = new Int32Array(2);
  libc.socketpair(AF_UNIX, PACKET_FLAGS, 0, bytesOf(ends));
  assertEquals(new DescriptorMessage().send(socket, message, [ends[1]!]), 0);
  libc.close(ends[1]!);
  const into = new Uint8Array(16_384);
  await until("its shim has ended", () => {
    for (;;) {
      const length = receive(ends[0]!, into);
      if (length === "end" || length === undefined) return length === "end";
    }
  });
  libc.close(ends[0]!);
  libc.close(socket);
  await until("its keeper has ended", () => libc.waitpid(pid, bytesOf(new Int32Array(1)), 1) !== 0);
  return home.log(id, "stdout");
}

Deno.test({
  name: "what a full disk refuses is tried again until it succeeds, and the job runs once",
  ignore: !IS_ROOT,
  fn: async () => {
    await using home = new KeeperHome();
    const mounted = `${home.directory}/runs`;
    const mount = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=64k", "none", mounted],
    });
    if (!mount.outputSync().success) return;
    try {
      home.files.create(1);
      const filler = `${mounted}/filler`;
      fill(filler);
      const command = ["sh", "-c", `echo once >>${home.directory}/ran`];
      const told = home.start({ id: 1, command });
      await told.until("forked");
      await until("it pauses", () => isPausing(told.of("forked")!.shim.pid));
      assertEquals([told.kinds, home.has("runs/1/claim")], [["forked"], false]);
      Deno.removeSync(filler);
      await told.until("silent");
      assertEquals([home.files.exitRecord(1)?.exit.code, home.read("ran")], [0, "once\n"]);
    } finally {
      new Deno.Command("umount", { args: ["--lazy", mounted] }).outputSync();
    }
  },
});

function fill(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch {
    // It is full.
  }
}

function isPausing(pid: number): boolean {
  return Deno.readTextFileSync(`/proc/${pid}/wchan`).includes("nanosleep");
}

Deno.test({
  name:
    "where memory may not be executed a file without a name serves, and else the error says what to change",
  ignore: !IS_ROOT,
  fn: () => {
    // Of a pid namespace of its own, so that nobody else notices.
    const script =
      'echo 2 >/proc/sys/vm/memfd_noexec || exit 0; exec "$0" run -A --no-check "$1" "$2"';
    const run = (directory: string) => {
      const { stdout, stderr } = new Deno.Command("unshare", {
        args: ["--pid", "--fork", "--mount-proc", "sh", "-c", script].concat(
          [Deno.execPath(), `${ROOT}/tests/keeper/execute_keeper.ts`, directory],
        ),
      }).outputSync();
      return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    };
    const directory = Deno.makeTempDirSync();
    assertMatch(run(directory), /^(executed\n)?$/);
    assertEquals([...Deno.readDirSync(directory)], []);
    const mount = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "noexec", "none", directory],
    });
    if (mount.outputSync().success) {
      assertMatch(run(directory), /^$|set vm.memfd_noexec below 2, or mount .* without noexec/);
      new Deno.Command("umount", { args: [directory] }).outputSync();
    }
    Deno.removeSync(directory);
  },
});
