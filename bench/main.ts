/**
 * The benchmark: what Holdfast does and costs on this machine, each number beside what it is measured
 * against. It takes about six minutes and leaves nothing behind. On an ext4 that has no journal new files
 * are made more slowly for up to five minutes after many were deleted, as at the end of a run: it passes
 * over each inode that was free so short a time (recently_deleted() of fs/ext4/ialloc.c).
 *
 *   npm run bench            builds first
 *   HOLDFAST_BIN=… deno run -A bench/main.ts
 *
 * HOLDFAST_BEFORE=… names the binary of another version, to be compared with in the same run.
 */

import { BINARY } from "./daemon.ts";
import { benchDecisions } from "./decisions.ts";
import { benchFootprint } from "./footprint.ts";
import { benchLatency } from "./latency.ts";
import { benchLoneJob } from "./lone_job.ts";
import { Scene } from "./scene.ts";
import { benchLongQueue } from "./long_queue.ts";
import { benchMemory } from "./memory.ts";
import { benchSubmissions } from "./submissions.ts";
import { heading, line, median, ms } from "./table.ts";
import { benchWholeJobs } from "./whole_jobs.ts";

const SYNCS = 100;

async function main(): Promise<number> {
  const scene = new Scene();
  const interrupted = new Promise<number>((resolve) => {
    Deno.addSignalListener("SIGINT", () => resolve(130));
    Deno.addSignalListener("SIGTERM", () => resolve(143));
  });
  try {
    return await Promise.race([interrupted, benchAll(scene).then(() => 0)]);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    await scene.clear();
  }
}

async function benchAll(scene: Scene): Promise<void> {
  const version = new Deno.Command(BINARY, { args: ["--version"] }).outputSync();
  console.log(new TextDecoder().decode(version.stdout).trimEnd());
  heading("This machine");
  line("processors", String(navigator.hardwareConcurrency));
  line("one write of 4 KiB and fdatasync", ms(syncMs(scene)), `median of ${SYNCS}`);
  await benchLatency(scene);
  await benchLoneJob(scene);
  await benchWholeJobs(scene);
  await benchSubmissions(scene);
  benchDecisions();
  await benchFootprint(scene);
  await benchLongQueue(scene);
  await benchMemory(scene);
}

/** What a commit must at least cost here. */
function syncMs(scene: Scene): number {
  using file = Deno.openSync(`${scene.path}/sync`, { write: true, create: true });
  const page = new Uint8Array(4096);
  const took = Array.from({ length: SYNCS }, () => {
    const began = performance.now();
    file.writeSync(page);
    file.syncDataSync();
    return performance.now() - began;
  });
  return median(took);
}

Deno.exit(await main());
