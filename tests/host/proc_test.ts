import { assertEquals } from "../assert.ts";
import { until } from "../e2e/home.ts";
import { livingProcesses } from "../../src/host/proc.ts";
import { familyOf } from "../../src/recover/family.ts";

const LOOKS = 300;

/** How often a family of processes that never rest is found, is doubtful, and is taken for gone. */
async function lookAtRestless(script: string) {
  const directory = Deno.makeTempDirSync();
  const restless = `${directory}/restless`;
  Deno.writeTextFileSync(restless, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const token = crypto.randomUUID();
  const family = () => familyOf({ token }, livingProcesses());
  const child = new Deno.Command(restless, { env: { HOLDFAST_TOKEN: token } }).spawn();
  const seen = { found: 0, doubtful: 0, none: 0 };
  try {
    for (let look = 0; look < LOOKS; look++) {
      const members = family();
      seen[!members ? "doubtful" : members.length > 0 ? "found" : "none"]++;
    }
  } finally {
    // Nothing more can be executed, so that it ends by itself.
    Deno.removeSync(directory, { recursive: true });
    await child.status;
    await until("it has ended", () => family()?.length === 0);
  }
  return seen;
}

Deno.test("a process that is always becoming another program is never taken for gone", async () => {
  assertEquals((await lookAtRestless('exec "$0"')).none, 0);
});

Deno.test("a process that always forks and ends is never taken for gone", async () => {
  assertEquals((await lookAtRestless('"$0" &')).none, 0);
});
