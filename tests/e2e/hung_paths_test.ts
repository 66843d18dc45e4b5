/** Paths that users name and that do not answer: they hang who named them, and never the supervisor. */

import { assertEquals } from "../assert.ts";
import { BINARY, Home, soon, until } from "./home.ts";
import { HungDisk, NO_HUNG_DISK } from "./hung_disk.ts";

Deno.test({
  name:
    "a job that names a file system which hangs is taken, shown and cancelled by a supervisor that answers",
  ignore: NO_HUNG_DISK !== undefined,
  async fn() {
    await using home = await Home.start();
    await using disk = await HungDisk.mount(`${home.directory}/far`);
    const specs = {
      command: { command: [`${disk.path}/tool`] },
      directory: { command: ["true"], directory: disk.path },
      PATH: { command: ["tool"], environment: { PATH: `${disk.path}:/bin` } },
    };
    for (const [what, { command, ...spec }] of Object.entries(specs)) {
      const id = await soon(home.submit(command, { grace: 1, ...spec }), `Submit, its ${what}`);
      await until("it hangs in its start", () => home.processes().some(isHung));
      assertEquals((await soon(home.status(id), "Status")).endedAt, undefined);
      await soon(home.restart(), "the next supervisor");
      await soon(home.use((client) => client.call("Node", {})), "Node");
      await soon(home.cancel(id), "Cancel");
      const job = await home.wait(id);
      assertEquals([job.state, job.released], ["CANCELLED", true], what);
    }
    assertEquals(home.processes(), []);
  },
});

Deno.test({
  name: "who submits a job that names a file system which hangs waits alone, and Ctrl-C ends it",
  ignore: NO_HUNG_DISK !== undefined,
  async fn() {
    await using home = await Home.start();
    await using disk = await HungDisk.mount(`${home.directory}/far`);
    for (const words of [["run"], ["submit"], ["run", "--directory", disk.path]]) {
      const command = words.length > 1 ? "true" : `${disk.path}/tool`;
      const client = home.spawn(BINARY, [...words, command]);
      await until("it looks there", () => isHung(client.pid));
      const list = await soon(home.use((client) => client.call("List", {})), "List");
      assertEquals(list.jobs, []);
      client.kill("SIGINT");
      assertEquals((await soon(client.status, "Ctrl-C")).signal, "SIGINT");
    }
  },
});

Deno.test({
  name: "a job that hangs in its start stays STARTING, says in which step, and times out",
  ignore: NO_HUNG_DISK !== undefined,
  async fn() {
    await using home = await Home.start();
    await using disk = await HungDisk.mount(`${home.directory}/far`);
    const steps = {
      "entering its directory": { command: ["true"], directory: disk.path },
      "looking its command up": { command: [`${disk.path}/tool`] },
    };
    for (const [step, { command, ...spec }] of Object.entries(steps)) {
      const id = await home.submit(command, { grace: 0, timeout: 5, ...spec });
      const job = await until("it is told", async () => {
        const job = await home.status(id);
        return job.message ? job : undefined;
      });
      assertEquals([job.state, job.message], ["STARTING", `it hangs in its start, ${step}`]);
      const { stdout } = await home.run("health");
      assertEquals(stdout.startsWith(`FAULT: job ${id} cannot come to the command`), true, stdout);
      const ended = await home.wait(id);
      assertEquals([ended.state, ended.reason], ["FAILED", "timeout"]);
    }
    // A busy machine may have other faults.
    const { stdout } = await home.run("health");
    assertEquals(/cannot come to the command/.test(stdout), false, stdout);
  },
});

/** Whether it waits for the answer of a file system in user space. */
function isHung(pid: number): boolean {
  return /request_wait_answer|fuse/.test(Deno.readTextFileSync(`/proc/${pid}/wchan`));
}
