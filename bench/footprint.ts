/** What it costs to have it: the answer of a command, and the memory of the daemon and of each job. */

import { BINARY, Daemon, memoryOf } from "./daemon.ts";
import { processesIn, run, type Scene, sleep } from "./scene.ts";
import { heading, line, median, megabytes, ms, target, times } from "./table.ts";

const CALLS = 20, RUNNING_JOBS = 200;
const ANSWER_MS = 50, IDLE_BYTES = 64e6, RUNNING_BYTES = 0.1e6;
const SETTLE_MS = 1000;

export async function benchFootprint(scene: Scene): Promise<void> {
  const daemon = await Daemon.start(scene, "footprint", RUNNING_JOBS);
  await sleep(SETTLE_MS);
  const idle = memoryOf(daemon.pid);
  await benchCommandLine(daemon);
  heading("Memory");
  line("idle daemon, resident", megabytes(idle.rss), "", target(idle.rss < IDLE_BYTES, "< 64 MB"));
  line("idle daemon, proportional", megabytes(idle.pss), `${times(idle.pss, idle.rss)} resident`);

  const before = memoryOf(daemon.pid).pss;
  const spec = { command: ["sleep", "600"], directory: daemon.folder };
  const submit = () => daemon.client.call("Submit", { spec });
  await Promise.all(Array.from({ length: RUNNING_JOBS }, submit));
  await everyJobSleeps(daemon);
  await sleep(SETTLE_MS);
  const grown = (memoryOf(daemon.pid).pss - before) / RUNNING_JOBS;
  const shim = total(named(daemon, "holdfast-shim")) / RUNNING_JOBS;
  const job = total(named(daemon, "sleep")) / RUNNING_JOBS;
  const share = `shim ${megabytes(shim)}, daemon's growth ${megabytes(grown)}`;
  const isSmall = target(shim + grown < RUNNING_BYTES, "< 0.1 MB");
  line(`each of ${RUNNING_JOBS} running jobs`, megabytes(shim + grown), share, isSmall);
  line(
    "the job itself, sleep (not counted)",
    megabytes(job),
    `${times(shim + grown, job)} it is ours`,
  );
  await daemon.stop();
}

async function benchCommandLine(daemon: Daemon): Promise<void> {
  heading(`Command line: median of ${CALLS}`);
  const spec = { command: ["/bin/true"], directory: daemon.folder };
  const { job } = await daemon.client.call("Submit", { spec });
  await daemon.client.call("Wait", { id: job.id });
  const version: number[] = [], status: number[] = [];
  const cwd = daemon.folder;
  for (let i = 0; i < CALLS; i++) {
    version.push(await run(BINARY, ["--version"], { cwd }));
    status.push(await run(BINARY, ["--socket", daemon.socket, "status", String(job.id)], { cwd }));
  }
  const [floor, took] = [median(version), median(status)];
  const isMet = target(took < ANSWER_MS, `< ${ANSWER_MS} ms`);
  line("holdfast status", ms(took), `${times(took, floor)} holdfast --version`, isMet);
  line("holdfast --version (floor)", ms(floor));
}

async function everyJobSleeps(daemon: Daemon): Promise<void> {
  while (named(daemon, "sleep").length < RUNNING_JOBS) await sleep(50);
}

/** The processes below the daemon's folder with this name. */
function named(daemon: Daemon, name: string): number[] {
  return processesIn(daemon.folder).filter((pid) => {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trimEnd() === name;
  });
}

function total(pids: number[]): number {
  return pids.reduce((sum, pid) => sum + memoryOf(pid).pss, 0);
}
