/** Submissions per second over one pipelined connection, and what they leave for the next start. */

import { Daemon, memoryOf } from "./daemon.ts";
import type { Scene } from "./scene.ts";
import { count, heading, line, median, megabytes, ms, target, times } from "./table.ts";

const JOBS = 10_000, STARTS = 5;
const ENOUGH_A_SECOND = 5000;
const CLEAN = { PATH: "/usr/bin:/bin" };
/** About what a shell hands on: 30 variables, 1.3 kB. */
export const TYPICAL: Record<string, string> = {
  ...CLEAN,
  ...Object.fromEntries(
    Array.from({ length: 29 }, (_, i) => [`TYPICAL_VARIABLE_${i}`, `/some/value/${"x".repeat(i)}`]),
  ),
};

export async function benchSubmissions(scene: Scene): Promise<void> {
  heading(`Submissions: ${count(JOBS)} over one pipelined connection, each durable, none started`);
  const typical = await fill(scene, "typical", TYPICAL);
  const clean = await fill(scene, "clean", CLEAN);
  const wanted = (rate: number) => target(rate >= ENOUGH_A_SECOND, `≥ ${count(ENOUGH_A_SECOND)}`);
  line("30 variables", perSecond(typical.rate), "", wanted(typical.rate));
  const note = `${times(clean.rate, typical.rate)} as with 30 variables`;
  line("clean environment", perSecond(clean.rate), note, wanted(clean.rate));
  line("daemon after it, 30 variables", megabytes(typical.rss), "RSS");

  await cancelAll(clean.daemon);
  await typical.daemon.stop();
  await clean.daemon.stop();
  await benchStart(scene);
}

async function fill(scene: Scene, name: string, environment: Record<string, string>) {
  const daemon = await Daemon.start(scene, name, 1);
  const place = { directory: daemon.folder, environment };
  await daemon.client.call("Submit", { spec: { command: ["sleep", "600"], ...place } });
  await daemon.until(({ running }) => running === 1);
  const spec = { command: ["/bin/true"], ...place };
  const began = performance.now();
  await Promise.all(Array.from({ length: JOBS }, () => daemon.client.call("Submit", { spec })));
  const rate = JOBS * 1000 / (performance.now() - began);
  return { daemon, rate, rss: memoryOf(daemon.pid).rss };
}

function perSecond(rate: number): string {
  return `${count(rate)} /s`;
}

/** The one that runs is cancelled last, so that none of the others is started. */
async function cancelAll({ client }: Daemon): Promise<void> {
  const ids = Array.from({ length: JOBS + 1 }, (_, i) => JOBS + 1 - i);
  await Promise.all(ids.map((id) => client.call("Cancel", { id })));
}

async function benchStart(scene: Scene): Promise<void> {
  heading(`Start: from the spawn until the socket answers, median of ${STARTS}`);
  const empty = await startTimes(scene, (i) => `empty-${i}`);
  const ended = await startTimes(scene, () => "clean");
  const queued = await startTimes(scene, () => "typical");
  line("empty journal", ms(empty));
  line(`${count(JOBS)} ended jobs`, ms(ended), `${times(ended, empty)} empty`);
  line(`${count(JOBS)} queued jobs, 1 running`, ms(queued), `${times(queued, empty)} empty`);
}

async function startTimes(scene: Scene, name: (i: number) => string): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const daemon = await Daemon.start(scene, name(i), 1);
    took.push(daemon.startedInMs);
    await daemon.stop();
  }
  return median(took);
}
