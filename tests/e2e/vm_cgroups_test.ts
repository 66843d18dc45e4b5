/**
 * Cgroups with their controllers, on a virtual machine with systemd: limits, what is told of a job that
 * ran out of memory, usage, and restarts of the unit over jobs that live.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Job, NodeStatus, Spec } from "../../src/varlink/interface.ts";
import { BINARY, until } from "./home.ts";
import { Machine } from "./vm/machine.ts";

const DIRECTORY = Deno.env.get("HOLDFAST_VM");
const UNIT = new URL("../../systemd/holdfast.service", import.meta.url).pathname;
const SOCKET = "/run/holdfast/control.sock";
const MIB = 1 << 20;
const ESCAPE = "env -i setsid sleep 1000 & exec sleep 1000";

if (!DIRECTORY) console.warn("HOLDFAST_VM is not set: tests on a virtual machine are left out");

Deno.test("under systemd jobs are limited, counted and ended by their cgroups", {
  ignore: !DIRECTORY,
}, async (test) => {
  await using machine = await Machine.boot(DIRECTORY!, {
    "usr/local/bin/holdfast": BINARY,
    "etc/systemd/system/holdfast.service": UNIT,
  });
  const node = new VmNode(machine);
  await machine.sh("chmod 755 /usr/local/bin/holdfast; systemctl start holdfast", 120);

  await test.step("the node tells all controllers", async () => {
    const { cgroup, controllers, cgroupProblem } = await node.status();
    assertMatch(cgroup!, /^\/sys\/fs\/cgroup\/system\.slice\/holdfast\.service\/holdfast-/);
    assertEquals([controllers, cgroupProblem], [["memory", "cpu", "pids", "io"], undefined]);
  });

  await test.step("a job that needs more than its memory is ended, and says so", async () => {
    const job = await node.ended(
      await node.submit("perl -e '$x = \"a\" x 200e6; sleep 100' & wait", { memory: 64 * MIB }),
    );
    assertEquals([job.state, job.reason, job.exitCode], ["FAILED", "outOfMemory", "0:9"]);
    assertEquals(job.message, "it needed more than its memory of 64 MiB");
    const { maxMemory } = job.usage!;
    assert(maxMemory! > 32 * MIB && maxMemory! <= 64 * MIB, String(maxMemory));
  });

  await test.step("a fork bomb stays within its processes, and is ended with its job", async () => {
    const id = await node.submit(
      "exec perl -e '$SIG{TERM} = q(IGNORE); 1 while defined fork or 1'",
      { limits: { processes: 20 }, grace: 1 },
    );
    await until("it is as large as it can be", async () => {
      return await node.read(id, "pids.current") === "20";
    });
    assertEquals(await node.read(id, "pids.max"), "20");
    await node.call("Cancel", { id });
    assertEquals((await node.ended(id)).state, "CANCELLED");
    assertEquals(await machine.sh("pgrep -c perl || :"), "0");
  });

  await test.step("a job has a share of the CPUs by what it asked for", async () => {
    const id = await node.submit("exec sleep 1000", { cpus: 2 });
    await until("it runs", async () => (await node.job(id)).state === "RUNNING");
    assertEquals(await node.read(id, "cpu.weight"), "200");
    assertMatch(await node.read(id, "cpu.max"), /^max /);
    await node.call("Cancel", { id });
    await node.ended(id);
  });

  await test.step("a job tells the CPU time, memory and bytes of all that it started", async () => {
    const id = await node.submit(
      "perl -e '1 for 1..3e6' & wait; dd if=/dev/vda of=/dev/null bs=1M count=8 iflag=direct",
    );
    const { usage, state } = await node.ended(id);
    assertEquals(state, "COMPLETED");
    assert(usage!.userTimeMs > 0 && usage!.maxMemory! > 0, JSON.stringify(usage));
    assert(usage!.readBytes! >= 8 * MIB, JSON.stringify(usage));
  });

  await test.step("jobs outlive restart, kill -9 and stop of the unit, with their cgroups", async () => {
    const id = await node.submit(
      "env -i setsid sh -c 'echo $$ >/root/left; exec sleep 1000' & exec sleep 1000",
      { memory: 64 * MIB },
    );
    await until("it runs", async () => (await node.job(id)).state === "RUNNING");
    for (
      const change of [
        "systemctl restart holdfast",
        "systemctl kill --kill-whom=main --signal=KILL holdfast; sleep 1; systemctl start holdfast",
        "systemctl stop holdfast; systemctl start holdfast",
        "systemctl reload holdfast",
      ]
    ) {
      await machine.sh(change, 120);
      assertEquals((await node.job(id)).state, "RUNNING", change);
      assertEquals((await node.status()).controllers!.length, 4, change);
      assertEquals(await node.read(id, "memory.max"), String(64 * MIB), change);
    }
    await node.call("Cancel", { id });
    assertEquals((await node.ended(id)).state, "CANCELLED");
    assertEquals(await machine.sh("! kill -0 $(cat /root/left) 2>/dev/null && echo gone"), "gone");
    const { cgroup } = await node.status();
    assertEquals(await machine.sh(`find ${cgroup} -name 'job-*'`), "");
  });

  await test.step("with a hard limit a job never has more than its CPUs", async () => {
    await machine.sh(
      "mkdir -p /etc/holdfast; echo 'cpu_limit = \"hard\"' >/etc/holdfast/holdfast.toml\n" +
        "systemctl restart holdfast",
      120,
    );
    const id = await node.submit("exec sleep 1000", { cpus: 1 });
    await until("it runs", async () => (await node.job(id)).state === "RUNNING");
    assertEquals(await node.read(id, "cpu.max"), "100000 100000");
    await node.call("Cancel", { id });
    await node.ended(id);
  });

  await test.step("a unit without a subgroup only ends jobs, and can be started over them", async () => {
    await machine.sh(
      "systemctl stop holdfast; mkdir -p /etc/systemd/system/holdfast.service.d\n" +
        "printf '[Service]\\nDelegateSubgroup=\\n' >/etc/systemd/system/holdfast.service.d/a.conf\n" +
        "systemctl daemon-reload; systemctl start holdfast",
      120,
    );
    const { cgroup, controllers, cgroupProblem } = await node.status();
    assertMatch(cgroup!, /holdfast\.service\/holdfast-/);
    assertEquals(controllers, []);
    assertMatch(cgroupProblem!, /no limit of memory, cpu, pids, io: the supervisor itself is in/);
    const id = await node.submit(ESCAPE);
    await until("it runs", async () => (await node.job(id)).state === "RUNNING");
    await machine.sh("systemctl restart holdfast", 120);
    await node.call("Cancel", { id });
    assertEquals((await node.ended(id)).state, "CANCELLED");
    assertEquals(await machine.sh("pgrep -c sleep || :"), "0");
  });

  await test.step("a unit that is given a subgroup limits jobs from then on, over those that live", async () => {
    const id = await node.submit(ESCAPE);
    await until("it runs", async () => (await node.job(id)).state === "RUNNING");
    await machine.sh(
      "rm /etc/systemd/system/holdfast.service.d/a.conf; systemctl daemon-reload\n" +
        "systemctl restart holdfast",
      120,
    );
    assertEquals((await node.status()).controllers, ["memory", "cpu", "pids", "io"]);
    assertEquals((await node.job(id)).state, "RUNNING");
    await node.call("Cancel", { id });
    assertEquals((await node.ended(id)).state, "CANCELLED");
    assertEquals(await machine.sh("pgrep -c sleep || :"), "0");
  });
});

/** A supervisor that is given other cgroups than root's unit has them. */
Deno.test(
  "cgroups with controllers are found by an ordinary user's unit and by pid 1 of a container",
  {
    ignore: !DIRECTORY,
  },
  async (test) => {
    await using machine = await Machine.boot(DIRECTORY!, {
      "usr/local/bin/holdfast": BINARY,
      "etc/systemd/system/holdfast.service": UNIT,
    });
    const holds = async (node: VmNode) => {
      assertEquals((await node.status()).controllers, ["memory", "cpu", "pids", "io"]);
      const id = await node.submit(ESCAPE, { memory: 64 * MIB });
      await until("it runs", async () => (await node.job(id)).state === "RUNNING");
      await node.call("Cancel", { id });
      assertEquals((await node.ended(id)).state, "CANCELLED");
      assertEquals(await machine.sh("pgrep -c sleep || :"), "0");
    };

    await test.step("an ordinary user's unit", async () => {
      await machine.sh(
        "chmod 755 /usr/local/bin/holdfast; mkdir -p /etc/systemd/system/holdfast.service.d\n" +
          "printf '[Service]\\nUser=nobody\\n' >/etc/systemd/system/holdfast.service.d/a.conf\n" +
          "systemctl daemon-reload; systemctl start holdfast",
        120,
      );
      await holds(new VmNode(machine));
      await machine.sh("systemctl stop holdfast");
    });

    await test.step("pid 1 of a container that may write its cgroup", async () => {
      const inside = "mount -t cgroup2 none /sys/fs/cgroup; exec holdfast daemon --cpus 2 " +
        "--state-dir /root/box --runtime-dir /root/run 2>/root/log";
      const outside = `echo 0 >/sys/fs/cgroup/box/cgroup.procs
      exec unshare --cgroup --mount sh -c '${inside}'`;
      await machine.sh(
        "mkdir /sys/fs/cgroup/box; for name in memory cpu pids io; do\n" +
          "echo +$name >/sys/fs/cgroup/cgroup.subtree_control; done\n" +
          `cat >/root/outside <<'END'\n${outside}\nEND\n` +
          "unshare --pid --fork --mount --mount-proc sh /root/outside >/dev/null 2>&1 &\n" +
          "until [ -S /root/run/control.sock ]; do sleep 0.1; done",
      );
      const node = new VmNode(machine, "/root/run/control.sock");
      await holds(node);
      assertEquals(await machine.sh("cat /sys/fs/cgroup/box/cgroup.procs"), "");
    });
  },
);

/** The supervisor in the machine, over systemd's own client. */
class VmNode {
  constructor(private readonly machine: Machine, private readonly socket = SOCKET) {}

  async call<T>(method: string, parameters: object): Promise<T> {
    const quoted = JSON.stringify(parameters).replaceAll("'", `'\\''`);
    const words = `varlinkctl --json=short call ${this.socket} io.holdfast.${method} '${quoted}'`;
    return JSON.parse(await this.machine.sh(words));
  }

  async status(): Promise<NodeStatus> {
    return (await this.call<{ node: NodeStatus }>("Node", {})).node;
  }

  async submit(script: string, spec: Partial<Spec> = {}): Promise<number> {
    const full = { directory: "/", ...spec, command: ["sh", "-c", script] };
    return (await this.call<{ job: Job }>("Submit", { spec: full })).job.id;
  }

  async job(id: number): Promise<Job> {
    return (await this.call<{ job: Job }>("Status", { id })).job;
  }

  async ended(id: number): Promise<Job> {
    const { job } = await this.call<{ job: Job }>("Wait", { id, timeout: 30 });
    assert(job.endedAt, JSON.stringify(job));
    return job;
  }

  /** A file of a job's cgroup. */
  async read(id: number, file: string): Promise<string> {
    const { cgroup } = await this.status();
    return await this.machine.sh(`cat ${cgroup}/job-${id}-*/${file}`);
  }
}
