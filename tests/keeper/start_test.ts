import { assertEquals } from "../assert.ts";
import { buildKeeper, KeeperHome } from "./keeper_home.ts";

buildKeeper();

Deno.test("a job runs, and its shim tells all of it", async () => {
  await using home = new KeeperHome();
  const { told, record, stdout } = await home.run({ command: ["sh", "-c", "echo hi; exit 7"] });
  assertEquals(told.kinds, ["forked", "claimed", "led", "executed", "ended", "empty", "silent"]);
  console.log(
    told.news,
    record,
    stdout,
    home.read("runs/1/claim"),
    home.read("runs/1/proc"),
    home.read("exits/1"),
  );
});
