/**
 * kill -9 at single system calls of the supervisor, its keeper, its shims and their leaders: a sample, spread
 * over the span of a whole life and over the names of the calls. `npm run kill-points` tries all of them.
 */

import { assert, assertEquals } from "../assert.ts";
import { type Mode, pointText } from "../kill_points/points.ts";
import { obstacle } from "../kill_points/tracer.ts";
import { choosePoints, tryPoints } from "../kill_points/trials.ts";
import { IS_ROOT } from "./home.ts";

const SEED = Number(Deno.env.get("HOLDFAST_SEED") ?? 1);
/** Most of a trial is waiting for grace periods and timeouts. */
const WORKERS = 2 * navigator.hardwareConcurrency;
/** Of the points of a sample; how many calls of a name there are differs a little from life to life. */
const REACHED_AT_LEAST = 0.8;

const why = await obstacle();
if (why) console.log(`skipped: ${why}`);

const samples: { name: string; mode: Mode; count: number; needsRoot?: true }[] = [
  { name: "the supervisor", mode: "supervisor", count: 70 },
  { name: "the keeper", mode: "keeper", count: 20 },
  { name: "a shim", mode: "shim", count: 25 },
  { name: "a leader", mode: "leader", count: 20 },
  { name: "a shim and all that comes of it", mode: "family", count: 8 },
  { name: "the supervisor and of its shims, both at once,", mode: "both", count: 20 },
  {
    name: "the supervisor, with all processes dying at once,",
    mode: "machine",
    count: 25,
    needsRoot: true,
  },
];

for (const { name, mode, count, needsRoot } of samples) {
  Deno.test({
    name: `a kill at any of ${count} system calls of ${name} breaks no promise`,
    ignore: why !== undefined || (needsRoot && !IS_ROOT),
    fn: async () => {
      const points = await choosePoints({ modes: [mode], extent: count, seed: SEED });
      const broken: string[] = [];
      let reached = 0;
      await tryPoints(points, WORKERS, (trial) => {
        if (trial.kills > 0) reached++;
        if (trial.broken.length === 0) return;
        broken.push(`--point "${pointText(trial.point)}"\n${trial.broken.join("\n")}`);
      });
      assertEquals(broken, [], broken.join("\n\n"));
      assert(points.length >= count, `${points.length} points`);
      assert(reached >= points.length * REACHED_AT_LEAST, `${reached} of ${points.length} reached`);
    },
  });
}
