/** How the queue is held in memory, by a supervisor of the simulation. */

import { assertEquals } from "../assert.ts";
import type { Demand } from "../../src/job/job.ts";
import { isInvalid, readSpec } from "../../src/job/spec.ts";
import { submit } from "../../src/supervisor/changes/submit.ts";
import { Chance } from "../sim/chance.ts";
import { NOBODY, World } from "../sim/world.ts";

const STEPS = 1000;

Deno.test("queued jobs that need the same share one demand, after another start too", () => {
  const chance = new Chance(1);
  const world = new World(NOBODY, chance);
  world.start();
  const array = submitted(world, chance, { array: "1-5", hold: true });
  const other = submitted(world, chance, { array: "1-5", hold: true });
  const single = submitted(world, chance, { hold: true, environment: { A: "1" } });
  const alike = submitted(world, chance, { hold: true, environment: { A: "2" } });
  for (let life = 0; life < 2; life++) {
    const { roster } = world.life!.supervisor;
    const demandsFrom = (id: number, size: number) =>
      new Set(Array.from({ length: size }, (_, at): Demand => roster.get(id + at)!.demand));
    assertEquals([demandsFrom(array, 5).size, demandsFrom(array, 10).size], [1, 2]);
    assertEquals(roster.get(single)!.demand === roster.get(alike)!.demand, true);
    assertEquals([array + 2, other + 4, single].map((id) => roster.nameOf(id)), [
      `${array}_3`,
      `${other}_5`,
      `${single}`,
    ]);
    world.die("between two looks");
    world.start();
  }
});

/** Returns its id. */
function submitted(world: World, chance: Chance, more: object): number {
  const spec = readSpec({ command: ["true"], ...more });
  if (isInvalid(spec)) throw new Error(spec.message);
  let id: number | undefined;
  world.deliver("submit", ({ supervisor, changes }) => {
    supervisor.request(submit(changes, spec, 0), (answer) => {
      if ("value" in answer) id = answer.value.job.id;
    });
  });
  for (let step = 0; id === undefined && step < STEPS; step++) world.step(chance);
  if (id === undefined) throw new Error("it was not answered");
  return id;
}
