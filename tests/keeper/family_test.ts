/** Whatever a job starts stays below its shim, which stays until nobody is left, and counts them all. */

import { assert, assertEquals } from "../assert.ts";
import { until } from "../e2e/home.ts";
import { buildKeeper, KeeperHome, PATH } from "./keeper_home.ts";

buildKeeper();

/** Forks twice, leaves the session, clears its environment, changes name and directory; waits for `go`. */
const ESCAPE =
  `cd /; (setsid env -i PATH=${PATH} sh -c 'cd /tmp; printf renamed >/proc/self/comm; ` +
  `while [ ! -e "$0" ]; do sleep 0.02; done' "$GO" >/dev/null 2>&1 & ) &`;

Deno.test("an escaper stays a descendant, and the end is told only after its own", async () => {
  await using home = new KeeperHome();
  const environment = { PATH, GO: `${home.directory}/go` };
  const told = home.start({ command: ["sh", "-c", `${ESCAPE} exit 3`], environment });
  const { shim } = await told.until("claimed");
  const { end } = await told.until("ended");
  assertEquals(end.exit, { code: 3, signal: 0 });
  assertEquals(home.files.finalUsage(told.id), undefined);
  const below = () => home.processes.living().filter(({ parent }) => parent === shim.pid);
  const left = await until("only the escaper is left", () => below().length === 1 && below());
  assert(left[0]!.session !== shim.pid && left[0]!.token === undefined);
  assertEquals(told.of("empty"), undefined);
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  const { usage } = await told.until("empty");
  assertEquals(home.files.finalUsage(told.id), usage);
  await told.until("silent");
});

Deno.test("time, memory and bytes of all that were waited for are in the final usage", async () => {
  await using home = new KeeperHome();
  // 64 MiB of memory and a good part of a second of processor, below a child that is nobody's.
  const burn = "head -c 67108864 /dev/zero | tail -c 67108864 >/dev/null; " +
    "i=0; while [ \\$i -lt 500000 ]; do i=\\$((i+1)); done; head -c 1048576 /dev/zero >written; sync written";
  const directory = Deno.makeTempDirSync({ dir: home.directory });
  const script = `(setsid sh -c "${burn.replaceAll('"', '\\"')}" & ) & exit 0`;
  const told = home.start({ command: ["sh", "-c", script], directory });
  const { usage } = await told.until("empty");
  assert(usage.userTimeMs + usage.systemTimeMs >= 150, JSON.stringify(usage));
  assert(usage.maxMemory! >= 64 << 20 && usage.maxMemory! < 256 << 20, JSON.stringify(usage));
  assert(usage.writtenBytes! >= 1 << 20 && usage.writtenBytes! < 4 << 20, JSON.stringify(usage));
  await told.until("silent");
});

Deno.test("a shim counts nothing of its own", async () => {
  await using home = new KeeperHome();
  const { record } = await home.run({ command: ["true"] });
  const { maxMemory, writtenBytes } = record!.usage;
  assert(maxMemory! < 32 << 20, JSON.stringify(record));
  assertEquals(writtenBytes! <= 8192, true, JSON.stringify(record));
});
