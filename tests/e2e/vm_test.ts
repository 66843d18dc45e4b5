/**
 * Holdfast as a service of a real systemd, on a machine with all controllers in one cgroup hierarchy.
 * $HOLDFAST_VM is the directory of the virtual machine, see vm/setup.sh; without it these tests are
 * ignored.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Service } from "./vm/service.ts";

const VM = Deno.env.get("HOLDFAST_VM");

if (!VM) console.log("ignored: set HOLDFAST_VM to the directory that tests/e2e/vm/setup.sh prints");

Deno.test("Holdfast under systemd", { ignore: !VM }, async (t) => {
  await using service = await Service.boot(VM!);
  const { machine } = service;

  await t.step("the machine has systemd and all controllers in one hierarchy", async () => {
    assertEquals(await service.sh("systemctl is-system-running --wait"), "running");
    assertEquals(await service.sh("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs");
    const controllers = (await service.sh("cat /sys/fs/cgroup/cgroup.controllers")).split(" ");
    for (const name of ["cpu", "cpuset", "io", "memory", "pids"]) {
      assert(controllers.includes(name), name);
    }
  });

  await t.step("the unit is active when its supervisor is ready", async () => {
    await service.install();
    assertEquals(await service.property("ActiveState"), "active");
    assertEquals((await service.node()).pid, Number(await service.property("MainPID")));
  });

  await t.step("run exits as its job does", async () => {
    const output = await service.run("echo out; echo err >&2; exit 7");
    assertEquals(output, { code: 7, stdout: "out\n", stderr: "err\n" });
  });

  await t.step("a job runs on when its supervisor is killed, and the next adopts it", async () => {
    const job = await service.running("until [ -e /run/killed ]; do sleep 0.1; done; exit 5");
    const { pid } = await service.node();
    await service.sh(`kill -9 ${pid}`);
    const { recovery } = await service.successor(pid);
    assertEquals([recovery.adopted, await service.property("NRestarts")], [1, "1"]);
    await service.isAdopted(job);
    await service.sh("touch /run/killed");
    assertEquals((await service.wait(job.id)).exitCode, "5:0");
  });

  await t.step("a job that ends while no supervisor is there keeps its exit code", async () => {
    const job = await service.running("until [ -e /run/stopped ]; do sleep 0.1; done; exit 6");
    await service.sh("systemctl stop holdfast; touch /run/stopped");
    await service.until(`[ ! -e /proc/${job.pid} ]`);
    await service.sh("systemctl start holdfast");
    const { state, reason, exitCode, released } = await service.wait(job.id);
    assertEquals([state, reason, exitCode, released], ["FAILED", "exit", "6:0", true]);
  });

  for (const verb of ["restart", "reload"]) {
    await t.step(`a job runs on over a ${verb}`, async () => {
      const job = await service.running(`until [ -e /run/${verb} ]; do sleep 0.1; done; exit 4`);
      const before = await service.node();
      await service.sh(`systemctl ${verb} holdfast`);
      const after = await service.node();
      assertEquals(after.pid === before.pid, verb === "reload");
      assert(after.startedAt !== before.startedAt);
      await service.isAdopted(job);
      await service.sh(`touch /run/${verb}`);
      assertEquals((await service.wait(job.id)).exitCode, "4:0");
    });
  }

  await t.step("a job is cancelled after a restart, with all that it has started", async () => {
    const job = await service.running("setsid sleep 1111 & sleep 2222");
    await service.sh("systemctl restart holdfast");
    await service.sh(`holdfast cancel ${job.id}`);
    assertEquals((await service.wait(job.id)).state, "CANCELLED");
    assertEquals((await machine.run("pgrep -f '^sleep (1111|2222)$'")).stdout, "");
  });

  await t.step("the log tells the recovery, and no error", async () => {
    const log = await service.sh("journalctl --unit holdfast --output cat");
    assertMatch(log, /INFO recovered /);
    assertEquals(await service.sh("journalctl --unit holdfast --quiet --priority err"), "");
  });

  await t.step("after a power cut every job has one true end", async () => {
    const ended = await service.wait(await service.submit("exit 3"));
    const { cpus } = await service.node();
    const running = await service.running("sleep 1000", "--cpus", `${cpus}`);
    const queued = await service.submit("exit 2");
    await machine.reset();
    await service.install();
    assertEquals(await service.status(ended.id), ended);
    const { state, reason, exitCode, released } = await service.status(running.id);
    assertEquals([state, reason, exitCode, released], ["FAILED", "reboot", "-999:0", true]);
    assertEquals((await service.wait(queued)).exitCode, "2:0");
  });

  await t.step("a job that a reboot ends has the exit code that it got there", async () => {
    const job = await service.running("sleep 1000");
    await machine.reboot();
    await service.install();
    const { state, reason, exitCode, released } = await service.status(job.id);
    assertEquals([state, reason, exitCode, released], ["FAILED", "signal", "0:15", true]);
  });
});
