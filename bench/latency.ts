/**
 * How long others wait while the supervisor is busy: the answers of Node, asked again and again over a
 * connection of its own, while short jobs come and go, a large array is cancelled, or others use the
 * processors.
 */

import type { Client } from "../src/varlink/client.ts";
import { BEFORE, Daemon } from "./daemon.ts";
import { type Scene, sleep } from "./scene.ts";
import { count, heading, line, median, ms, target, times } from "./table.ts";

const SHORT_JOBS = 3000, WIDE = 64, ARRAY = 10_000, RUNNING = 500, LOOPS = 64;
const WORST_MS = 100, CALM_MS = 50;
const ASK_EVERY_MS = 5;
/** How long the answers are taken where nothing comes to its end by itself. */
const CALM_FOR_MS = 5000;

interface Answers {
  readonly worst: number;
  readonly median: number;
}

interface Latencies {
  readonly short: Answers;
  readonly cancelShort: number;
  readonly started: number;
  readonly array: Answers;
  readonly cancelArray: number;
  readonly running: Answers;
  readonly loops: Answers;
}

export async function benchLatency(scene: Scene): Promise<void> {
  heading("Answers of Node, asked every 5 ms, worst and median; and of Cancel");
  const now = await measure(scene, "latency");
  const before = BEFORE ? await measure(scene, "latency-before", BEFORE) : undefined;
  const tell = (label: string, of: (all: Latencies) => number, aim?: number) => {
    const note = before ? `${times(of(now), of(before))} the version before` : "";
    const isMet = aim === undefined ? "" : target(of(now) <= aim, `≤ ${aim} ms`);
    line(label, ms(of(now)), note, isMet);
  };
  const jobs = `${count(SHORT_JOBS)} short jobs, ${WIDE} wide`;
  tell(`${jobs}: worst`, ({ short }) => short.worst, WORST_MS);
  tell("  median", ({ short }) => short.median);
  tell("  Cancel of all of them", ({ cancelShort }) => cancelShort, WORST_MS);
  line("  started before it came", count(now.started), `of ${count(SHORT_JOBS)}`);
  tell(`array of ${count(ARRAY)} cancelled: worst`, ({ array }) => array.worst, WORST_MS);
  tell("  the Cancel itself", ({ cancelArray }) => cancelArray, WORST_MS);
  tell(`${RUNNING} running jobs cancelled: worst`, ({ running }) => running.worst, WORST_MS);
  tell(`${LOOPS} busy loops: median`, ({ loops }) => loops.median, CALM_MS);
  tell("  worst", ({ loops }) => loops.worst);
}

async function measure(scene: Scene, name: string, binary?: string): Promise<Latencies> {
  const short = await shortJobs(scene, `${name}-short`, binary);
  const array = await cancelledArray(scene, `${name}-array`, binary);
  const running = await cancelledWhileRunning(scene, `${name}-running`, binary);
  const loops = await busyLoops(scene, `${name}-loops`, binary);
  return {
    short: short.answers,
    cancelShort: short.took,
    started: short.started,
    array: array.answers,
    cancelArray: array.took,
    running,
    loops,
  };
}

/** Once to their end, and once cancelled half a second after their submission. */
async function shortJobs(scene: Scene, name: string, binary?: string) {
  const daemon = await Daemon.start(scene, name, WIDE, binary);
  const spec = {
    command: ["/bin/false"],
    directory: daemon.folder,
    array: `1-${SHORT_JOBS}`,
    environment: { PATH: "/usr/bin:/bin" },
  };
  const answers = await answersDuring(daemon, async () => {
    await daemon.client.call("Submit", { spec });
    await daemon.until(({ queued, running }) => queued + running === 0);
  });
  const { job } = await daemon.client.call("Submit", { spec });
  await sleep(500);
  const took = await timed(() => daemon.client.call("Cancel", { id: job.id, array: true }));
  await daemon.until(({ queued, running }) => queued + running === 0);
  const started = await startedOf(daemon.client, job.id);
  await daemon.stop();
  return { answers, took, started };
}

async function startedOf(client: Client, array: number): Promise<number> {
  let started = 0;
  for (let after: number | undefined = array - 1; after !== undefined;) {
    const page: { jobs: { startedAt?: string }[]; next?: number } = await client.call("List", {
      array,
      after,
      limit: 1000,
    });
    started += page.jobs.filter(({ startedAt }) => startedAt).length;
    after = page.next;
  }
  return started;
}

async function cancelledArray(scene: Scene, name: string, binary?: string) {
  const daemon = await Daemon.start(scene, name, WIDE, binary);
  const spec = {
    command: ["/bin/true"],
    directory: daemon.folder,
    array: `1-${ARRAY}`,
    hold: true,
  };
  const { job } = await daemon.client.call("Submit", { spec });
  let took = 0;
  const answers = await answersDuring(daemon, async () => {
    took = await timed(() => daemon.client.call("Cancel", { id: job.id, array: true }));
    await daemon.until(({ queued }) => queued === 0);
    await sleep(1000);
  });
  await daemon.stop();
  return { answers, took };
}

/** Jobs that leave something behind, and do not end when they are asked to. */
async function cancelledWhileRunning(
  scene: Scene,
  name: string,
  binary?: string,
): Promise<Answers> {
  const daemon = await Daemon.start(scene, name, RUNNING, binary);
  const spec = {
    command: ["sh", "-c", "trap '' TERM; sleep 600 & while :; do sleep 600; done"],
    directory: daemon.folder,
    array: `1-${RUNNING}`,
    grace: 1,
  };
  const { job } = await daemon.client.call("Submit", { spec });
  await daemon.until(({ running }) => running === RUNNING);
  await sleep(1000);
  const answers = await answersDuring(daemon, async () => {
    await daemon.client.call("Cancel", { id: job.id, array: true });
    await daemon.until(({ running }) => running === 0);
  });
  await daemon.stop();
  return answers;
}

async function busyLoops(scene: Scene, name: string, binary?: string): Promise<Answers> {
  const daemon = await Daemon.start(scene, name, WIDE, binary);
  const spec = {
    command: ["sh", "-c", "while :; do :; done"],
    directory: daemon.folder,
    array: `1-${LOOPS}`,
  };
  const { job } = await daemon.client.call("Submit", { spec });
  await daemon.until(({ running }) => running === LOOPS);
  await sleep(1000);
  const answers = await answersDuring(daemon, () => sleep(CALM_FOR_MS));
  await daemon.client.call("Cancel", { id: job.id, array: true });
  await daemon.until(({ running }) => running === 0);
  await daemon.stop();
  return answers;
}

/** Asks in a process of its own, so that our own work is not measured. */
async function answersDuring(daemon: Daemon, body: () => Promise<unknown>): Promise<Answers> {
  const asker = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.filename!, daemon.socket],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = asker.stdout.getReader();
  await reader.read();
  await body();
  await asker.stdin.close();
  let text = "";
  const decoder = new TextDecoder();
  for (let read; !(read = await reader.read()).done;) text += decoder.decode(read.value);
  const took: number[] = JSON.parse(text);
  return { worst: Math.max(...took), median: median(took) };
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}

/** The asker: says that it is there, asks until its input ends, and tells how long each answer took. */
async function ask(socket: string): Promise<void> {
  const { Client } = await import("../src/varlink/client.ts");
  const client = await Client.connect(socket);
  await client.call("Node", {});
  const took: number[] = [];
  let isOver = false;
  const ended = Deno.stdin.read(new Uint8Array(1)).then(() => isOver = true);
  await Deno.stdout.write(new TextEncoder().encode("\n"));
  while (!isOver) {
    took.push(await timed(() => client.call("Node", {})));
    await sleep(ASK_EVERY_MS);
  }
  await ended;
  client.close();
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(took)));
}

if (import.meta.main) await ask(Deno.args[0]!);
