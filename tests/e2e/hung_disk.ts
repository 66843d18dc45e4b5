/** A file system that has stopped answering, as a network's whose server is gone. Root only. */

import { assert } from "../assert.ts";
import { until } from "./home.ts";

const SERVER = new URL("fuse_server.ts", import.meta.url).pathname;

/** Why there can be none here; undefined where there can. */
export const NO_HUNG_DISK = Deno.uid() !== 0
  ? "it takes root"
  : isThere("/dev/fuse")
  ? undefined
  : "this machine has no /dev/fuse";

/** Nobody may touch its path while it hangs, not even to look: he would hang too. */
export class HungDisk implements AsyncDisposable {
  private constructor(readonly path: string, private readonly server: Deno.ChildProcess) {}

  /** It holds a program, `tool`. */
  static async mount(path: string): Promise<HungDisk> {
    Deno.mkdirSync(path, { recursive: true });
    const server = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", SERVER, path],
      stdin: "null",
    }).spawn();
    await until("it is mounted", () => isThere(`${path}/tool`));
    server.kill("SIGSTOP");
    await until("it hangs", () => /\) T /.test(Deno.readTextFileSync(`/proc/${server.pid}/stat`)));
    return new HungDisk(path, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The end of its server fails whatever waits for it.
    this.server.kill("SIGKILL");
    await this.server.status;
    const { success, stderr } = await new Deno.Command("umount", { args: ["--lazy", this.path] })
      .output();
    assert(success, `umount ${this.path}: ${new TextDecoder().decode(stderr)}`);
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
