/** A small disk of its own below a home: full, read-only or failing as a test needs it. Root only. */

import { assert } from "../assert.ts";

export class Disk implements AsyncDisposable {
  readonly #filler: string;

  private constructor(readonly path: string) {
    this.#filler = `${path}/filler`;
  }

  /** An empty tmpfs, such as "size=2m" or "nr_inodes=64". */
  static async mount(path: string, options: string): Promise<Disk> {
    Deno.mkdirSync(path, { recursive: true });
    await mount("-t", "tmpfs", "-o", `mode=0700,${options}`, "tmpfs", path);
    return new Disk(path);
  }

  /** An empty ext4 of so many MiB. */
  static async ext4(path: string, mebibytes: number): Promise<Disk> {
    const image = `${path}.img`;
    Deno.mkdirSync(path, { recursive: true });
    await command("truncate", "-s", `${mebibytes}M`, image);
    await command("mkfs.ext4", "-q", "-m", "0", image);
    await mount("-o", "loop", image, path);
    return new Disk(path);
  }

  /** Takes the last byte of it. */
  fill(): void {
    using file = Deno.openSync(this.#filler, { append: true, create: true });
    for (const size of [4096, 1]) {
      const chunk = new Uint8Array(size);
      try {
        for (;;) if (file.writeSync(chunk) < size) break;
      } catch {
        // It is full.
      }
    }
  }

  /** Takes the last inode of it: files that are there can grow, and no new one can be made. */
  fillInodes(): void {
    Deno.mkdirSync(this.#filler);
    try {
      for (let i = 0;; i++) Deno.writeTextFileSync(`${this.#filler}/${i}`, "");
    } catch {
      // There is none left.
    }
  }

  /** Gives back all that was taken. */
  free(): void {
    Deno.removeSync(this.#filler, { recursive: true });
  }

  /** Possible while no file on it is open for writing. */
  async setReadOnly(readOnly: boolean): Promise<void> {
    await mount("-o", `remount,${readOnly ? "ro" : "rw"}`, this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await command("umount", "--lazy", this.path);
  }
}

/** Makes system calls of a running process fail with an error until it is disposed of. */
export class Fault implements AsyncDisposable {
  private constructor(private readonly tracer: Deno.ChildProcess) {}

  /** `calls` as strace writes them, "pwrite64,fdatasync"; "EIO". */
  static async inject(pid: number, calls: string, error: string): Promise<Fault> {
    const tracer = new Deno.Command("strace", {
      args: [
        "-f",
        "-p",
        String(pid),
        "-e",
        `trace=${calls}`,
        "-e",
        `inject=${calls}:error=${error}`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const fault = new Fault(tracer);
    const reader = tracer.stderr.getReader();
    const { value = new Uint8Array() } = await reader.read();
    const first = new TextDecoder().decode(value);
    assert(first.includes("attached"), first);
    void drain(reader);
    return fault;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.tracer.kill("SIGTERM");
    } catch {
      // It has ended with the process that it traced.
    }
    await this.tracer.status;
  }
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

async function mount(...args: string[]): Promise<void> {
  await command("mount", ...args);
}

async function command(name: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args }).output();
  assert(success, `${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
