/**
 * Holdfast as a service of a virtual machine: how it is installed there, and what a person sees of it.
 *
 *   deno run -A tests/e2e/vm/service.ts DIRECTORY COMMAND...     boots one for one command
 */

import { assert, assertEquals } from "../../assert.ts";
import { BINARY, type Output } from "../home.ts";
import type { Job, NodeStatus } from "../../../src/varlink/interface.ts";
import { Machine } from "./machine.ts";

const UNIT = new URL("../../../systemd/holdfast.service", import.meta.url).pathname;
const MAIN_PID = "$(systemctl show holdfast --property=MainPID --value)";

/** As the README has it; the state is on the disk, which outlives a power cut. */
const INSTALL = `
  modprobe --all virtio_blk ext4
  blkid /dev/vda >/dev/null || mkfs.ext4 -q /dev/vda
  mkdir -p /mnt/disk /var/lib/holdfast
  mount /dev/vda /mnt/disk
  mkdir -p /mnt/disk/state
  mount --bind /mnt/disk/state /var/lib/holdfast
  cd /root/holdfast
  install -m 755 dist/holdfast /usr/local/bin/holdfast
  cp systemd/holdfast.service /etc/systemd/system/
  systemctl enable --now holdfast`;

export class Service implements AsyncDisposable {
  private constructor(readonly machine: Machine) {}

  /** Boots a machine that has what the README installs, and not yet installed it. */
  static async boot(directory: string): Promise<Service> {
    return new Service(
      await Machine.boot(directory, {
        "root/holdfast/dist/holdfast": BINARY,
        "root/holdfast/systemd/holdfast.service": UNIT,
      }),
    );
  }

  /** To be done again after each boot: only the disk is kept. */
  async install(): Promise<void> {
    await this.sh(INSTALL);
  }

  /** What a script that succeeds has written. */
  async sh(script: string): Promise<string> {
    return await this.machine.sh(script);
  }

  async until(condition: string): Promise<void> {
    await this.sh(`until ${condition}; do sleep 0.1; done`);
  }

  async property(name: string): Promise<string> {
    return await this.sh(`systemctl show holdfast --property=${name} --value`);
  }

  async node(): Promise<NodeStatus> {
    return JSON.parse(await this.sh("holdfast node --json")).node;
  }

  /** Waits until another main process than this is ready. */
  async successor(pid: number): Promise<NodeStatus> {
    await this.until(`systemctl is-active --quiet holdfast && [ ${MAIN_PID} != ${pid} ]`);
    return await this.node();
  }

  async run(script: string, ...options: string[]): Promise<Output> {
    return await this.machine.run(command("run", script, options));
  }

  async submit(script: string, ...options: string[]): Promise<number> {
    return Number(await this.sh(command("submit", script, options)));
  }

  async status(id: number): Promise<Job> {
    return JSON.parse(await this.sh(`holdfast status --json ${id}`)).job;
  }

  /** A job that runs. */
  async running(script: string, ...options: string[]): Promise<Job> {
    const id = await this.submit(script, ...options);
    await this.until(`holdfast status --json ${id} | grep -q '"state":"RUNNING"'`);
    return await this.status(id);
  }

  /** The job when it has ended. */
  async wait(id: number): Promise<Job> {
    const text = await this.sh(`holdfast wait ${id} >&2 || :; holdfast status --json ${id}`);
    const { job } = JSON.parse(text);
    assert(job.endedAt, `job ${id} has not ended: ${text}`);
    return job;
  }

  /** It runs on as the same process, and under a supervisor that has not started it. */
  async isAdopted(job: Job): Promise<void> {
    const { state, pid, adopted } = await this.status(job.id);
    assertEquals([state, pid, adopted], ["RUNNING", job.pid, true]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
  }
}

function command(verb: string, script: string, options: string[]): string {
  const words = ["holdfast", verb, ...options, "--", "sh", "-c", script];
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

if (import.meta.main) {
  const [directory, ...words] = Deno.args;
  if (!directory || words.length === 0) {
    console.error("usage: service.ts DIRECTORY COMMAND...");
    Deno.exit(2);
  }
  const service = await Service.boot(directory);
  await service.install();
  const { code, stdout, stderr } = await service.machine.run(words.join(" "), 600);
  await service[Symbol.asyncDispose]();
  Deno.stdout.writeSync(new TextEncoder().encode(stdout));
  Deno.stderr.writeSync(new TextEncoder().encode(stderr));
  Deno.exit(code);
}
