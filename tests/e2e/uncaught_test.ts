/** Errors that nobody has caught, in the real program with one that throws put before it. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Home, until } from "./home.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).href;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** The program, in which something goes wrong by itself `when` it says. */
function faulty(home: Home, when: string): string {
  const path = `${home.directory}/faulty.ts`;
  const program = `import { main } from ${JSON.stringify(MAIN)};
    const fault = (why) => { throw new Error(why); };
    ${when}
    Deno.exit(await main());`;
  Deno.writeTextFileSync(path, program);
  return path;
}

const DENO = [Deno.execPath(), "run", "--allow-all", "--no-check", "--config", CONFIG];

Deno.test("a command tells an uncaught error in one line, with the exit code for a failure of ours", async () => {
  await using home = new Home();
  // Somebody who takes calls and answers none.
  using _listener = Deno.listen({ transport: "unix", path: `${home.directory}/s` });
  const ways = {
    timer: "setTimeout(fault, 100, 'odd')",
    microtask: "setTimeout(() => queueMicrotask(() => fault('odd')), 100)",
    rejection: "setTimeout(() => void Promise.reject(new Error('odd')), 100)",
  };
  for (const [way, when] of Object.entries(ways)) {
    const program = faulty(home, when);
    for (const [words, code] of [[["node"], 1], [["wait", "1"], 125]] as const) {
      const { code: ended, stderr } = await new Deno.Command(DENO[0]!, {
        args: [...DENO.slice(1), program, "--socket", `${home.directory}/s`, ...words],
        env: { NO_COLOR: "1" },
      }).output();
      assertEquals([ended, new TextDecoder().decode(stderr)], [code, "holdfast: odd\n"], way);
    }
  }
});

Deno.test("the supervisor logs an uncaught error in one line and goes on", async () => {
  await using home = new Home();
  const program = faulty(
    home,
    "setTimeout(fault, 1500, 'odd'); setTimeout(() => void Promise.reject('odder'), 1500);",
  );
  home.launch([], DENO, program);
  await until("it answers", () => home.answers());
  const id = await home.submit(["sleep", "1000"]);
  await home.running(id);
  await until("both are logged", () => home.log.includes("what=odder"));
  assertMatch(home.log, /ERROR failed what="Error: odd"\n/);
  assert(!/\n +at /.test(home.log), home.log);
  await home.cancel(id);
  assertEquals((await home.wait(id)).state, "CANCELLED");
});
