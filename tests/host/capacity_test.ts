/** What the node gives out, counted in a process with less than the machine has. */

import { assert, assertEquals } from "../assert.ts";

const CAPACITY = new URL("../../src/host/capacity.ts", import.meta.url).href;
const CGROUP = "/sys/fs/cgroup/cpu";

/** Counts in a process of its own that `wrapper` has limited. */
async function countUnder(wrapper: string[]): Promise<number> {
  const script = `import { availableCpus } from "${CAPACITY}"; console.log(availableCpus());`;
  const [program, ...args] = [...wrapper, Deno.execPath(), "eval", script];
  const { stdout, stderr } = await new Deno.Command(program!, { args }).output();
  const text = new TextDecoder().decode(stdout).trim();
  assert(/^\d+$/.test(text), new TextDecoder().decode(stderr));
  return Number(text);
}

Deno.test("CPUs that affinity forbids are not given out", async () => {
  assertEquals(await countUnder(["taskset", "-c", "0"]), 1);
});

Deno.test("CPUs beyond a cgroup quota are not given out", { ignore: !canLimit() }, async () => {
  const group = Deno.makeTempDirSync({ dir: CGROUP });
  try {
    Deno.writeTextFileSync(`${group}/cpu.cfs_period_us`, "100000");
    Deno.writeTextFileSync(`${group}/cpu.cfs_quota_us`, "150000");
    const join = `echo $$ > ${group}/cgroup.procs && exec "$@"`;
    assertEquals(await countUnder(["sh", "-c", join, "sh"]), 1);
  } finally {
    Deno.removeSync(group);
  }
});

/** Whether version 1 of the cpu controller is here and ours to use. */
function canLimit(): boolean {
  try {
    Deno.removeSync(Deno.makeTempDirSync({ dir: CGROUP }));
    return true;
  } catch {
    return false;
  }
}
