/**
 * Jobs that the version before the keeper has started, whose shims are shells: the supervisor of now
 * takes them back with their logs, cancel, timeout and exit codes. That version is built once, from the
 * repository's own history.
 */

import { assertEquals } from "../assert.ts";
import { BINARY, Home, isAlive, until } from "./home.ts";

const LAST_WITH_SHELLS = "c5fd725";
const ROOT = new URL("../..", import.meta.url).pathname;

const SCRIPT = `
set -e
git -C "$1" archive ${LAST_WITH_SHELLS} | tar -x
ln -s "$1/node_modules" node_modules
./compile.sh >/dev/null`;

/** Undefined where the history is not here, as in a shallow clone. */
async function build(directory: string): Promise<string | undefined> {
  const known = new Deno.Command("git", {
    args: ["-C", ROOT, "cat-file", "-e", `${LAST_WITH_SHELLS}^{commit}`],
    stderr: "null",
  });
  const isKnown = await known.output().then(({ success }) => success, () => false);
  if (!isKnown) return undefined;
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", SCRIPT, "sh", ROOT],
    cwd: directory,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return `${directory}/dist/holdfast`;
}

const directory = await Deno.makeTempDir({ prefix: "holdfast-before-" });
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const before = await build(directory);
if (!before) console.warn(`the history has no ${LAST_WITH_SHELLS}: its shims are not tried`);

const WAITS = "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done";

/** Jobs of the version before, and then a supervisor of this one, by a start or by an upgrade. */
async function withJobs(
  how: "start" | "upgrade",
  body: (home: Home, ids: Record<string, number>) => Promise<void>,
): Promise<void> {
  await using home = new Home();
  const installed = `${home.directory}/holdfast`;
  Deno.copyFileSync(before!, installed);
  home.launch([], [], installed);
  await until("the version before answers", () => home.answers());
  const ids = {
    ends: await home.submit(`${WAITS}; exit 7`),
    away: await home.submit("echo begun; while [ ! -e away ]; do sleep 0.02; done; exit 9"),
    cancelled: await home.submit("echo begun; exec sleep 1000"),
    late: await home.submit("echo begun; exec sleep 1000", { timeout: 3 }),
    leaves: await home.submit(`setsid sleep 1000 & echo $! >left; ${WAITS}; exit 3`),
    stubborn: await home.submit("trap '' TERM; echo begun; while :; do sleep 0.1; done", {
      grace: 1,
    }),
  };
  for (const id of Object.values(ids)) {
    await home.running(id);
    await until(`job ${id} has begun`, () => home.stdout(id).includes("begun"));
  }
  if (how === "start") {
    await home.crash();
    Deno.writeTextFileSync(`${home.directory}/away`, "");
    await until("it has recorded its end", () => {
      const [record] = [...Deno.readDirSync(`${home.state}/exits`)];
      return record?.name === String(ids.away);
    });
    await home.start();
  } else {
    const { node } = await home.use((client) => client.call("Node", {}));
    Deno.copyFileSync(BINARY, `${installed}.new`);
    Deno.renameSync(`${installed}.new`, installed);
    Deno.kill(home.pid, "SIGHUP");
    await until("its successor answers", async () => {
      const now = await home.use((client) => client.call("Node", {})).catch(() => undefined);
      return now && now.node.startedAt !== node.startedAt;
    });
    Deno.writeTextFileSync(`${home.directory}/away`, "");
  }
  await body(home, ids);
}

for (const how of ["start", "upgrade"] as const) {
  Deno.test({
    name: `jobs under shell shims are taken back by ${how === "start" ? "a start" : "an upgrade"}`,
    ignore: before === undefined,
    fn: () =>
      withJobs(how, async (home, ids) => {
        for (const id of [ids.ends!, ids.cancelled!, ids.leaves!, ids.stubborn!]) {
          const { state, adopted } = await home.status(id);
          assertEquals([state, adopted], ["RUNNING", true]);
        }
        await home.cancel(ids.cancelled!);
        await home.cancel(ids.stubborn!);
        const left = Number(home.lines("left")[0]);
        Deno.writeTextFileSync(`${home.directory}/go`, "");
        const end = async (id: number) => {
          const { state, reason, exitCode, released } = await home.wait(id);
          return `${state} ${reason} ${exitCode} ${released}`;
        };
        assertEquals(await end(ids.ends!), "FAILED exit 7:0 true");
        assertEquals(await end(ids.away!), "FAILED exit 9:0 true");
        assertEquals(await end(ids.cancelled!), "CANCELLED cancelled 0:15 true");
        assertEquals(await end(ids.stubborn!), "CANCELLED cancelled 0:9 true");
        assertEquals(await end(ids.late!), "FAILED timeout 0:15 true");
        assertEquals(await end(ids.leaves!), "FAILED exit 3:0 true");
        assertEquals(isAlive(left), false, "what it left behind is there");
        assertEquals(home.stdout(ids.ends!), "begun\ndone\n");
        // And what is new goes as ever.
        const job = await home.wait(await home.submit("exit 130"));
        assertEquals(job.exitCode, "130:0");
      }),
  });
}
