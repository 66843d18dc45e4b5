/** A file system that has stopped answering, as a network's whose server is gone. Root only. */

import { assert } from "../assert.ts";
import { until } from "./home.ts";

const SERVER = new URL("fuse_server.ts", import.meta.url).pathname;
const SERVE = ["run", "--allow-all", "--no-check", SERVER];

/** Why there can be none here; undefined where there can. */
export const NO_HUNG_DISK = whyNot();
if (NO_HUNG_DISK) console.log(`skipped: ${NO_HUNG_DISK}`);

function whyNot(): string | undefined {
  if (Deno.uid() !== 0) return "a file system in user space takes root";
  if (!isThere("/dev/fuse")) return "this machine has no /dev/fuse";
  const place = Deno.makeTempDirSync({ prefix: "holdfast-test-" });
  const { success } = new Deno.Command(Deno.execPath(), { args: [...SERVE, place, "--try"] })
    .outputSync();
  Deno.removeSync(place);
  return success ? undefined : "no file system in user space can be mounted here";
}

/** Nobody may touch its path while it hangs, not even to look: he would hang too. */
export class HungDisk implements AsyncDisposable {
  private constructor(readonly path: string, private readonly server: Deno.ChildProcess) {}

  /** It holds a program, `tool`. */
  static async mount(path: string): Promise<HungDisk> {
    Deno.mkdirSync(path, { recursive: true });
    const server = new Deno.Command(Deno.execPath(), {
      args: [...SERVE, path],
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
