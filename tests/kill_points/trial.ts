/** One trial: a life that is ended at a kill point, another one after it, and the promises checked. */

import { Home } from "../e2e/home.ts";
import { type Call, callsOf, type KillPoint } from "./points.ts";
import { brokenPromises, describe } from "./promises.ts";
import { Scenario } from "./scenario.ts";
import { killsIn, MACHINE, shimOptions, supervisorWrapper, trace } from "./tracer.ts";

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
  await using home = new Home();
  await using scenario = new Scenario(home, point.mode, point.shim && shimOptions(home, point));
  const broken: string[] = [];
  let isKilled = false, isPrepared = false;
  try {
    await scenario.prepare();
    isPrepared = true;
    // Where all that is to be executed is killed, a successor cannot be tried.
    const upgrades = point.supervisor !== undefined && point.mode !== "spawn";
    isKilled = !await scenario.live(supervisorWrapper(home, point), upgrades);
    if (isKilled && !await scenario.live(point.mode === "machine" ? MACHINE : [], false)) {
      broken.push("the second supervisor was killed too");
    } else broken.push(...await brokenPromises(scenario, point));
  } catch (error) {
    if (!isPrepared && tries > 1) return await tryPoint(point, tries - 1);
    broken.push((error instanceof Error ? error.message : String(error)).slice(0, LONGEST));
    broken.push(...home.processes().map((pid) => `a process is there: ${describe(pid)}`));
  }
  if (broken.length > 0) broken.unshift(home.log.slice(-LONGEST));
  // With PID 1 its tracer ends too, and can note nothing.
  return { point, kills: Math.max(killsIn(home), isKilled ? 1 : 0), broken };
}

/** The calls of the supervisor, or of one shim, in a life that nothing ends. */
export async function observe(mode: KillPoint["mode"]): Promise<Call[]> {
  await using home = new Home();
  const path = `${home.directory}/trace`;
  const options = trace(path);
  const isShim = mode === "shim" || mode === "family";
  const shimTrace = [...mode === "family" ? ["-f"] : [], ...options].join(" ");
  await using scenario = new Scenario(home, mode, isShim ? shimTrace : undefined);
  await scenario.prepare();
  const point = { mode, ...isShim ? { shim: { name: "", nth: 0 } } : {} };
  const wrapper = supervisorWrapper(home, point, isShim ? undefined : options);
  if (!await scenario.live(wrapper, true)) throw new Error("the supervisor was killed");
  return callsOf(Deno.readTextFileSync(path));
}
