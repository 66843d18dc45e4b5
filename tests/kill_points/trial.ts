/** One trial: a life that is ended at a kill point, another one after it, and the promises checked. */

import { Home } from "../e2e/home.ts";
import { type Call, callsOf, type KillPoint, type Mode } from "./points.ts";
import { brokenPromises, describe } from "./promises.ts";
import { Scenario } from "./scenario.ts";
import { shimStage } from "./shim_stage.ts";
import { callsIn, killedAt, killsIn, MACHINE, watched } from "./tracer.ts";

/** Characters of a message or a log that are enough to see what went wrong. */
const LONGEST = 12_000;

export interface Trial {
  readonly point: KillPoint;
  /** Processes killed at the point; none when it was not reached. */
  readonly kills: number;
  readonly broken: readonly string[];
}

/** `tries`: of the preparation, in which nothing is killed, and which a busy machine can upset. */
export async function tryPoint(point: KillPoint, tries = 3): Promise<Trial> {
  const { mode } = point;
  await using home = new Home();
  await using scenario = new Scenario(home, mode);
  const broken: string[] = [];
  let isPrepared = false;
  try {
    await scenario.prepare();
    isPrepared = true;
    const isKilled = !await scenario.live(killedAt(home, point), true);
    if (isKilled && !await scenario.live(mode === "machine" ? MACHINE : [], false)) {
      broken.push("the second supervisor was killed too");
    } else {
      const shims = killsIn(home).filter(({ role }) => role === "shim");
      broken.push(
        ...await brokenPromises(scenario, {
          mode,
          shims: shims.map(({ made }) => shimStage(made)),
        }),
      );
    }
  } catch (error) {
    if (!isPrepared && tries > 1) return await tryPoint(point, tries - 1);
    broken.push((error instanceof Error ? error.message : String(error)).slice(0, LONGEST));
    broken.push(...home.processes().map((pid) => `a process is there: ${describe(pid)}`));
  }
  if (broken.length > 0) broken.unshift(home.log.slice(-LONGEST));
  return { point, kills: killsIn(home).length, broken };
}

/** The calls of who is killed in a mode, in a life that nothing ends. */
export async function observe(mode: Mode): Promise<Call[]> {
  await using home = new Home();
  await using scenario = new Scenario(home, mode);
  await scenario.prepare();
  if (!await scenario.live(watched(home, mode), true)) throw new Error("the supervisor was killed");
  return callsOf(callsIn(home));
}
