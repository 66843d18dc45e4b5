/**
 * How long a lone job waits for us: from Submit to its first instruction, and from its end to the reply
 * of Wait, fsync included. The job writes the time at which it began and at which it ends; the clock
 * is the machine's own for both sides.
 */

import { Daemon } from "./daemon.ts";
import { type Scene, sleep } from "./scene.ts";
import { heading, line, median, ms, target } from "./table.ts";

const ROUNDS = 60;
const AIM_MS = 5;

export async function benchLoneJob(scene: Scene): Promise<void> {
  heading(`A lone job, median of ${ROUNDS}, fsync included`);
  const daemon = await Daemon.start(scene, "lone", 2);
  const starts: number[] = [], ends: number[] = [];
  const nowMs = () => performance.timeOrigin + performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(20);
    const spec = {
      command: ["/bin/date", "+%s%N"],
      directory: daemon.folder,
      environment: { PATH: "/usr/bin:/bin" },
    };
    const began = nowMs();
    const { job } = await daemon.client.call("Submit", { spec });
    await daemon.client.call("Wait", { id: job.id });
    const ended = nowMs();
    const log = Deno.readTextFileSync(`${daemon.folder}/runs/${job.id}/stdout.log`);
    const at = Number(log.trim()) / 1e6;
    starts.push(at - began);
    ends.push(ended - at);
  }
  await daemon.stop();
  const tell = (label: string, took: readonly number[]) =>
    line(label, ms(median(took)), "", target(median(took) < AIM_MS, `< ${AIM_MS} ms`));
  tell("from Submit to its first instruction", starts);
  tell("from its last one to the reply of Wait", ends);
}
