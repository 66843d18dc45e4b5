/** What the supervisor keeps when it has had much to do, and what it does when it has nothing to do. */

import { Daemon, memoryOf } from "./daemon.ts";
import { type Scene, sleep } from "./scene.ts";
import { TYPICAL } from "./submissions.ts";
import { count, heading, line, megabytes, target } from "./table.ts";

const JOBS = 20_000, AT_ONCE = 1000;
const IDLE_BYTES = 64e6, USED_BYTES = 100e6;
const SETTLE_MS = 3000, IDLE_MS = 60_000, LOOK_EVERY_MS = 250;

export async function benchMemory(scene: Scene): Promise<void> {
  heading(`Memory of the supervisor, resident; ${count(JOBS)} jobs of /bin/true, 30 variables`);
  const daemon = await Daemon.start(scene, "memory", 2);
  await sleep(SETTLE_MS);
  const idle = memoryOf(daemon.pid).rss;
  line("idle after its start", megabytes(idle), "", target(idle < IDLE_BYTES, "< 64 MB"));
  const most = await runJobs(daemon);
  await sleep(SETTLE_MS);
  const { rss } = memoryOf(daemon.pid);
  line("most while they run", megabytes(most), "", target(most < USED_BYTES, "< 100 MB"));
  line("after them", megabytes(rss), "", target(rss < USED_BYTES, "< 100 MB"));
  const wakes = await wakesWhileIdle(daemon);
  line("wake-ups in an idle minute", count(wakes), "", target(wakes === 0, "none"));
  await daemon.stop();
}

/** Returns the most memory that was seen. */
async function runJobs(daemon: Daemon): Promise<number> {
  const spec = { command: ["/bin/true"], directory: daemon.folder, environment: TYPICAL };
  const submit = () => daemon.client.call("Submit", { spec });
  for (let submitted = 0; submitted < JOBS; submitted += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, submit));
  }
  for (let most = 0;;) {
    const { queued, running } = await daemon.node();
    most = Math.max(most, memoryOf(daemon.pid).rss);
    if (queued + running === 0) return most;
    await sleep(LOOK_EVERY_MS);
  }
}

/** How often one of its threads was woken. */
async function wakesWhileIdle({ pid }: Daemon): Promise<number> {
  const before = waitsOf(pid);
  await sleep(IDLE_MS);
  return waitsOf(pid) - before;
}

/** How often its threads have waited for something (proc_pid_status(5)). */
function waitsOf(pid: number): number {
  let waits = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
    waits += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)![1]);
  }
  return waits;
}
