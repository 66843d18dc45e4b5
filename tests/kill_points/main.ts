/**
 * Kills the supervisor, its keeper, its shims and their leaders at system calls and holds what follows against every promise.
 *
 *   npm run kill-points                          every call that leaves a trace outside the process
 *   npm run kill-points -- --all                 every call at all: many hours
 *   npm run kill-points -- --sample 200 --seed 7 a sample
 *   npm run kill-points -- --mode machine        one mode: supervisor, keeper, shim, leader,
 *                                                family, both, machine
 *   npm run kill-points -- --point "both write:12 openat:3"   one point again, as it was printed
 *   npm run kill-points -- --workers 4           so many at a time
 */

import { parseArgs } from "node:util";
import { MODES, parsePoint, pointText } from "./points.ts";
import { obstacle } from "./tracer.ts";
import { choosePoints, tryPoints } from "./trials.ts";

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    mode: { type: "string", multiple: true },
    point: { type: "string", multiple: true },
    workers: { type: "string", default: String(2 * navigator.hardwareConcurrency) },
  },
});

const reason = await obstacle();
if (reason) {
  console.error(`kill-points: ${reason}`);
  Deno.exit(2);
}
const points = values.point?.map(parsePoint) ?? await choosePoints({
  modes: MODES.filter((mode) => values.mode?.includes(mode) ?? true),
  extent: values.sample ? Number(values.sample) : values.all ? "calls" : "deeds",
  seed: Number(values.seed),
});

const counts = new Map(MODES.map((mode) => [mode, { points: 0, reached: 0, kills: 0, faults: 0 }]));
let done = 0;
await tryPoints(points, Number(values.workers), ({ point, kills, broken }) => {
  const count = counts.get(point.mode)!;
  count.points++;
  count.kills += kills;
  if (kills > 0) count.reached++;
  if (broken.length > 0) count.faults++;
  if (broken.length > 0) console.log(`BROKEN ${pointText(point)}\n  ${broken.join("\n  ")}`);
  if (++done % 50 === 0) console.log(`${done} of ${points.length}`);
});
let faults = 0;
for (const [mode, count] of counts) {
  if (count.points === 0) continue;
  faults += count.faults;
  const { points, reached, kills } = count;
  console.log(
    `${mode}: ${points} points, ${reached} reached, ${kills} kills, ${count.faults} broken`,
  );
}
Deno.exit(faults === 0 ? 0 : 1);
