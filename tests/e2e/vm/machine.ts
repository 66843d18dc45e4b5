/**
 * A virtual machine for tests: a Debian made by setup.sh and held in memory whole, in which scripts are
 * run as root, one after the other. Whatever the test brings along is laid over the machine's root. It
 * lives as long as the process that has booted it.
 */

import { dirname } from "node:path";
import { assertEquals } from "../../assert.ts";
import type { Output } from "../home.ts";

const BOOT_MS = 180_000;
const AGENT = new URL("agent.sh", import.meta.url).pathname;
const AGENT_UNIT = new URL("agent.service", import.meta.url).pathname;

const KERNEL = [
  "console=ttyS0",
  "panic=-1",
  "systemd.wants=agent.service",
  // Nobody logs in, and nothing is to be brought up to date.
  "systemd.mask=getty.target",
  "systemd.mask=getty-static.service",
  "systemd.mask=e2scrub_reap.service",
  "systemd.condition_needs_update=0",
];

/** What is brought along: the path in the machine, and the file that is copied there. */
export type Files = Record<string, string>;

export class Machine implements AsyncDisposable {
  readonly #scratch = Deno.makeTempDirSync({ prefix: "holdfast-vm-" });
  readonly #disk = `${this.#scratch}/disk`;
  #qemu?: Deno.ChildProcess;
  #requests!: WritableStreamDefaultWriter<Uint8Array>;
  #answers!: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(readonly directory: string) {}

  /** A machine that answers. `directory` is the one that setup.sh has made. */
  static async boot(directory: string, files: Files = {}): Promise<Machine> {
    const machine = new Machine(directory);
    try {
      await machine.#lay({
        "usr/local/lib/agent.sh": AGENT,
        "etc/systemd/system/agent.service": AGENT_UNIT,
        ...files,
      });
      await machine.#start();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the kernel and systemd have written to the console. */
  get console(): string {
    return Deno.readTextFileSync(`${this.#scratch}/console`);
  }

  /** Runs a script with `sh`, for `seconds` at most (status 124 after them). */
  async run(script: string, seconds = 120): Promise<Output> {
    await this.#ask(script, seconds);
    const [status, ...texts] = (await this.#answer((seconds + 30) * 1000)).split(":");
    const [stdout, stderr] = texts.map((text) =>
      new TextDecoder().decode(Uint8Array.fromBase64(text))
    );
    return { code: Number(status), stdout: stdout!, stderr: stderr! };
  }

  /** What a script that succeeds has written. */
  async sh(script: string, seconds?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(`set -e\n${script}`, seconds);
    assertEquals(code, 0, `${script}\nexited with ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** The power goes off and on again: memory is lost, with the whole root; the disk is kept. */
  async reset(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  /** Ends in order, as a person would have it, and boots again; what is kept is as with `reset`. */
  async reboot(): Promise<void> {
    await this.#ask("systemctl reboot", 60);
    const qemu = this.#qemu!;
    const timer = setTimeout(() => qemu.kill("SIGKILL"), BOOT_MS);
    await qemu.status;
    clearTimeout(timer);
    await this.#stop();
    await this.#start();
  }

  async #ask(script: string, seconds: number): Promise<void> {
    const encoded = new TextEncoder().encode(script).toBase64();
    await this.#requests.write(new TextEncoder().encode(`${seconds} ${encoded}\n`));
  }

  /** One file for the boot loader: the root, and over it the files. */
  async #lay(files: Files): Promise<void> {
    const root = `${this.#scratch}/root`;
    for (const [path, source] of Object.entries(files)) {
      await Deno.mkdir(dirname(`${root}/${path}`), { recursive: true, mode: 0o755 });
      await Deno.copyFile(source, `${root}/${path}`);
    }
    const script = 'cp "$1/root.cpio" initrd; cd root; find . |' +
      " cpio --create --format=newc --owner=0:0 --quiet >>../initrd; cd ..; rm -r root";
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-ec", script, "sh", this.directory],
      cwd: this.#scratch,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    await Deno.writeFile(this.#disk, new Uint8Array());
    await Deno.truncate(this.#disk, 1 << 30);
  }

  async #start(): Promise<void> {
    const accelerator = (await Deno.readTextFile(`${this.directory}/accelerator`)).trim();
    this.#qemu = new Deno.Command("qemu-system-x86_64", {
      // deno-fmt-ignore
      args: [
        "-nodefaults", "-no-reboot", "-display", "none",
        "-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "2G",
        "-kernel", `${this.directory}/kernel`, "-initrd", `${this.#scratch}/initrd`,
        "-append", KERNEL.join(" "),
        "-serial", `file:${this.#scratch}/console`,
        "-drive", `file=${this.#disk},format=raw,if=virtio`,
        "-device", "virtio-serial", "-chardev", "stdio,id=agent,signal=off",
        "-device", "virtserialport,chardev=agent",
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#requests = this.#qemu.stdin.getWriter();
    this.#answers = this.#qemu.stdout.getReader();
    assertEquals(await this.#answer(BOOT_MS), "ready");
  }

  /** The next line that the agent writes. */
  async #answer(deadlineMs: number): Promise<string> {
    const decoder = new TextDecoder();
    let line = "";
    const timer = setTimeout(() => this.#qemu?.kill("SIGKILL"), deadlineMs);
    try {
      while (!line.endsWith("\n")) {
        const { value, done } = await this.#answers.read();
        if (done) {
          throw new Error(`the machine has ended; its console: ${this.console.slice(-4000)}`);
        }
        line += decoder.decode(value, { stream: true });
      }
    } finally {
      clearTimeout(timer);
    }
    return line.trimEnd();
  }

  async #stop(): Promise<void> {
    const qemu = this.#qemu;
    this.#qemu = undefined;
    if (!qemu) return;
    try {
      qemu.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#answers.cancel();
    await this.#requests.abort();
    await qemu.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await Deno.remove(this.#scratch, { recursive: true });
  }
}
