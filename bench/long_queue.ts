/** What 100,000 queued jobs cost: the start, by median, and the supervisor's memory of each. */

import { BEFORE, BINARY, Daemon, memoryOf } from "./daemon.ts";
import { type Scene, sleep } from "./scene.ts";
import { TYPICAL } from "./submissions.ts";
import { count, heading, line, median, ms, target, times } from "./table.ts";

/** Half of them in arrays, half submitted one by one. */
const QUEUED = 100_000, ARRAY = 10_000, AT_ONCE = 1000;
const STARTS = 5;
const READY_MS = 1000, JOB_BYTES = 1000;
const SETTLE_MS = 1000;

export async function benchLongQueue(scene: Scene): Promise<void> {
  heading(`${count(QUEUED)} queued, half of them in arrays, 30 variables each; one job runs`);
  const now = await measure(scene, "long-queue", BINARY);
  const before = BEFORE ? await measure(scene, "long-queue-before", BEFORE) : undefined;
  bytes("each after its submission, resident", now.full - now.idle);
  const note = before ? `${times(now.took, before.took)} the version before` : "";
  const isMet = target(now.took <= READY_MS, `≤ ${count(READY_MS)} ms`);
  line(`a start until it answers, median of ${STARTS}`, ms(now.took), note, isMet);
  bytes("each after a start, resident", now.rss - now.idle);
  if (!before) return;
  line("  of the version before", `${Math.round((before.rss - before.idle) / QUEUED)} B`);
}

/** Each version with a journal of its own: an older one cannot read ours. */
async function measure(scene: Scene, name: string, binary: string) {
  return { ...await fill(scene, name, binary), ...await startsOf(scene, name, binary) };
}

function bytes(label: string, ofAll: number): void {
  const ofEach = ofAll / QUEUED;
  line(label, `${Math.round(ofEach)} B`, "", target(ofEach < JOB_BYTES, "< 1 kB"));
}

/** Returns the daemon's memory before and after. */
async function fill(scene: Scene, name: string, binary: string) {
  const daemon = await Daemon.start(scene, name, 1, binary);
  const place = { directory: daemon.folder, environment: TYPICAL };
  await daemon.client.call("Submit", { spec: { command: ["sleep", "600"], ...place } });
  await daemon.until(({ running }) => running === 1);
  await sleep(SETTLE_MS);
  const idle = memoryOf(daemon.pid).rss;
  const spec = { command: ["/bin/true"], ...place };
  for (let queued = 0; queued < QUEUED / 2; queued += ARRAY) {
    await daemon.client.call("Submit", { spec: { ...spec, array: `1-${ARRAY}` } });
  }
  for (let queued = 0; queued < QUEUED / 2; queued += AT_ONCE) {
    const submit = () => daemon.client.call("Submit", { spec });
    await Promise.all(Array.from({ length: AT_ONCE }, submit));
  }
  await sleep(SETTLE_MS);
  const full = memoryOf(daemon.pid).rss;
  await daemon.stop();
  return { idle, full };
}

async function startsOf(scene: Scene, name: string, binary: string) {
  const took: number[] = [], rss: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const daemon = await Daemon.start(scene, name, 1, binary);
    took.push(daemon.startedInMs);
    await sleep(SETTLE_MS);
    rss.push(memoryOf(daemon.pid).rss);
    await daemon.stop();
  }
  return { took: median(took), rss: median(rss) };
}
