/**
 * Whole jobs per second: submit, start, end, recorded. Beside it task-spooler, which journals nothing,
 * and the floor: the bare posix_spawn(3) of the same command. On a tmpfs and on the disk, with and
 * without cgroups, all in turns, so that a slow moment of the machine hits all of them.
 */

import { BEFORE, Daemon } from "./daemon.ts";
import { run, type Scene } from "./scene.ts";
import { benchFloor } from "./spawn_floor.ts";
import { count, heading, line, median, target, times } from "./table.ts";

const JOBS = 1000, ROUNDS = 5;
/** Jobs at a time, for everybody. */
const SLOTS = 2;
const COMMAND = "/bin/true";
const ENVIRONMENT = { PATH: "/usr/bin:/bin" };
/** Aims: of task-spooler, and of the floor on a disk and on a tmpfs. */
const TO_SPOOLER = 1.5, TO_FLOOR = 0.5, TO_FLOOR_TMPFS = 0.6;

interface Ground {
  readonly name: string;
  readonly place: "tmpfs" | "disk";
  readonly flags: readonly string[];
}

const GROUNDS: readonly Ground[] = (["tmpfs", "disk"] as const).flatMap((place) => [
  { name: `${place}, no cgroups`, place, flags: ["--cgroup", "off"] },
  { name: `${place}, cgroups`, place, flags: [] },
]);

export async function benchWholeJobs(scene: Scene): Promise<void> {
  heading(`Whole jobs: ${count(JOBS)} × ${COMMAND}, ${SLOTS} at a time, median of ${ROUNDS}`);
  const hasSpooler = await has("tsp");
  const grounds = GROUNDS.filter(({ place }) => place === "disk" || scene.tmpfs !== undefined);
  const ours = new Map<Ground, number[]>(grounds.map((ground) => [ground, []]));
  const before: number[] = [], spoolers: number[] = [], floors: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [ground, took] of ours) {
      took.push(await throughHoldfast(folderOf(scene, ground, round), scene, ground));
    }
    if (BEFORE) {
      const ground = grounds.at(-1)!;
      before.push(await throughHoldfast(`before-${round}`, scene, ground, BEFORE));
    }
    if (hasSpooler) spoolers.push(await throughSpooler(scene, `spooler-${round}`));
    floors.push(await benchFloor(COMMAND, JOBS, SLOTS));
  }
  const rate = (took: readonly number[]) => JOBS * 1000 / median(took);
  const floor = rate(floors), spooler = hasSpooler ? rate(spoolers) : undefined;
  for (const [ground, took] of ours) {
    const holdfast = rate(took);
    const aim = ground.place === "tmpfs" ? TO_FLOOR_TMPFS : TO_FLOOR;
    const notes = [`${times(holdfast, floor)} posix_spawn`];
    let isMet = holdfast >= aim * floor, aims = `≥ ${aim} × posix_spawn`;
    if (spooler !== undefined) {
      notes.unshift(`${times(holdfast, spooler)} task-spooler`);
      isMet &&= holdfast >= TO_SPOOLER * spooler;
      aims = `≥ ${TO_SPOOLER} × task-spooler, ${aims}`;
    }
    line(`holdfast, ${ground.name}`, perSecond(holdfast), notes.join(", "), target(isMet, aims));
  }
  if (spooler !== undefined) line("task-spooler (no journal)", perSecond(spooler));
  else line("task-spooler", "not installed", "tsp is not in PATH");
  if (BEFORE) {
    const last = rate([...ours.values()].at(-1)!);
    const rateBefore = rate(before);
    line(
      "the version before, disk, cgroups",
      perSecond(rateBefore),
      `${times(last, rateBefore)} is now`,
    );
  }
  line("bare posix_spawn (floor)", perSecond(floor));
}

function folderOf(scene: Scene, { place, name }: Ground, round: number): string {
  const own = `whole-${round}-${name.replaceAll(/\W+/g, "-")}`;
  return place === "tmpfs" ? `${scene.tmpfs}/${own}` : own;
}

function perSecond(rate: number): string {
  return `${count(rate)} jobs/s`;
}

async function has(program: string): Promise<boolean> {
  const sh = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" });
  return (await sh.output()).success;
}

async function throughHoldfast(
  name: string,
  scene: Scene,
  { flags }: Ground,
  binary?: string,
): Promise<number> {
  const daemon = await Daemon.start(scene, name, SLOTS, binary, flags);
  const spec = { command: [COMMAND], directory: daemon.folder, environment: ENVIRONMENT };
  const began = performance.now();
  const submit = () => daemon.client.call("Submit", { spec });
  const submitted = await Promise.all(Array.from({ length: JOBS }, submit));
  // As of task-spooler: nobody asks again and again.
  for (const { job } of submitted.slice(-SLOTS)) await daemon.client.call("Wait", { id: job.id });
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
