/** The supervisor keeps the directory that it was started in from nobody, and its paths mean the same. */

import { assertEquals } from "../assert.ts";
import { Home, until } from "./home.ts";

Deno.test("the supervisor stands in /, over upgrades too, and relative paths mean what they meant", async () => {
  await using home = new Home();
  const started = `${home.directory}/started`;
  Deno.mkdirSync(started);
  Deno.writeTextFileSync(`${started}/holdfast.toml`, 'node_name = "configured"\n');
  const variables = ["HOLDFAST_STATE_DIR=../state", "HOLDFAST_RUNTIME_DIR=../run"];
  home.launch(["--config", "holdfast.toml"], ["env", "-C", started, ...variables]);
  await until("it answers", () => home.answers());
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  await home.running(id);
  for (let times = 0; times < 3; times++) {
    assertEquals(Deno.readLinkSync(`/proc/${home.pid}/cwd`), "/");
    // Nor does any descriptor lead into it.
    const inside = [...Deno.readDirSync(`/proc/${home.pid}/fd`)].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${home.pid}/fd/${name}`);
      } catch {
        return "";
      }
    }).filter((path) => path.startsWith(started));
    assertEquals(inside, []);
    const { node } = await home.use((client) => client.call("Node", {}));
    assertEquals([node.name, node.pid], ["configured", home.pid]);
    assertEquals((await home.run("upgrade")).code, 0, home.log);
  }
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await home.wait(id)).exitCode, "3:0");
});
