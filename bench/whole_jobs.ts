/**
 * Whole jobs per second: submit, start, end, recorded. Beside it task-spooler, which journals
 * nothing, and the floor: the shims alone, started by a shell loop.
 */

import { libc } from "../src/host/libc.ts";
import { openSessionProgram, PROGRAM_FD } from "../src/host/session_program.ts";
import { findSetsid } from "../src/host/setsid.ts";
import { shimScript } from "../src/host/shim_script.ts";
import { BEFORE, Daemon } from "./daemon.ts";
import { run, type Scene } from "./scene.ts";
import { count, heading, line, median, target, times } from "./table.ts";

const JOBS = 1000, ROUNDS = 3;
/** Jobs at a time, for everybody. */
const SLOTS = 2;
const COMMAND = "/bin/true";
const ENVIRONMENT = { PATH: "/usr/bin:/bin" };

export async function benchWholeJobs(scene: Scene): Promise<void> {
  heading(`Whole jobs: ${count(JOBS)} × ${COMMAND}, ${SLOTS} at a time, median of ${ROUNDS}`);
  const hasSpooler = await has("tsp");
  const ours: number[] = [], before: number[] = [], spoolers: number[] = [], floors: number[] = [];
  // In turns, so that a slow moment of the machine hits all of them.
  for (let round = 1; round <= ROUNDS; round++) {
    ours.push(await throughHoldfast(scene, `whole-${round}`));
    if (BEFORE) before.push(await throughHoldfast(scene, `before-${round}`, BEFORE));
    if (hasSpooler) spoolers.push(await throughSpooler(scene, `spooler-${round}`));
    floors.push(await shimsAlone(scene, `floor-${round}`));
  }
  const rate = (took: number[]) => JOBS * 1000 / median(took);
  const [holdfast, spooler, floor] = [rate(ours), rate(spoolers), rate(floors)];
  const isMet = target(holdfast >= spooler, "≥ task-spooler");
  const toFloor = `${times(holdfast, floor)} bare shim`;
  if (hasSpooler) {
    line(
      "holdfast",
      perSecond(holdfast),
      `${times(holdfast, spooler)} task-spooler, ${toFloor}`,
      isMet,
    );
    line("task-spooler (no journal)", perSecond(spooler), `${times(spooler, floor)} bare shim`);
  } else {
    line("holdfast", perSecond(holdfast), toFloor);
    line("task-spooler", "not installed", "tsp is not in PATH");
  }
  if (BEFORE) {
    const rateBefore = rate(before);
    line(
      "holdfast, the version before",
      perSecond(rateBefore),
      `${times(holdfast, rateBefore)} is now`,
    );
  }
  line("bare shim + true (floor)", perSecond(floor));
}

function perSecond(rate: number): string {
  return `${count(rate)} jobs/s`;
}

async function has(program: string): Promise<boolean> {
  const sh = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" });
  return (await sh.output()).success;
}

async function throughHoldfast(scene: Scene, name: string, binary?: string): Promise<number> {
  const daemon = await Daemon.start(scene, name, SLOTS, binary);
  const spec = { command: [COMMAND], directory: daemon.folder, environment: ENVIRONMENT };
  const began = performance.now();
  await Promise.all(Array.from({ length: JOBS }, () => daemon.client.call("Submit", { spec })));
  await daemon.until(({ queued, running }) => queued + running === 0);
  const took = performance.now() - began;
  const { jobs } = await daemon.client.call("List", { states: ["COMPLETED"], limit: JOBS });
  if (jobs.length !== JOBS) throw new Error(`only ${jobs.length} jobs have completed`);
  await daemon.stop();
  return took;
}

const SPOOL = `
tsp -S ${SLOTS}
i=0
while [ $i -lt ${JOBS} ]; do
  last=$(tsp ${COMMAND}) || exit 1
  i=$((i + 1))
done
for id in $((last - 1)) $last; do tsp -w $id || exit 1; done`;

async function throughSpooler(scene: Scene, name: string): Promise<number> {
  const cwd = scene.folder(name);
  const env = { ...ENVIRONMENT, TS_SOCKET: `${cwd}/socket`, TMPDIR: cwd };
  const took = await run("sh", ["-c", SPOOL], { cwd, env });
  await run("tsp", ["-K"], { cwd, env });
  return took;
}

const FLOOR = `
run_every_other() {
  i=$1
  while [ $i -le ${JOBS} ]; do
    HOLDFAST_JOB_ID=$i sh -c 'eval "$HOLDFAST_SHIM"' holdfast-shim $i claim / "" "" ${COMMAND} || exit 1
    i=$((i + ${SLOTS}))
  done
}
for first in $(seq ${SLOTS}); do run_every_other $first & done
wait`;

async function shimsAlone(scene: Scene, name: string): Promise<number> {
  const cwd = scene.folder(name);
  scene.folder(name, "exits");
  for (let id = 1; id <= JOBS; id++) scene.folder(name, "runs", String(id));
  const program = openSessionProgram(cwd);
  const hasProgram = program !== undefined;
  const env = {
    ...ENVIRONMENT,
    HOLDFAST_SHIM: shimScript({ hasProgram, setsid: findSetsid(), softFileLimit: 1024 }),
    HOLDFAST_TOKEN: crypto.randomUUID(),
  };
  const open = hasProgram ? `exec ${PROGRAM_FD}</proc/${Deno.pid}/fd/${program}` : "";
  const took = await run("sh", ["-c", `${open}\n${FLOOR}`], { cwd, env });
  if (hasProgram) libc.close(program);
  const ended = [...Deno.readDirSync(`${cwd}/exits`)].length;
  if (ended !== JOBS) throw new Error(`only ${ended} shims have recorded an end`);
  return took;
}
