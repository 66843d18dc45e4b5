/** What a path leads through, links and their targets too. */

import { assertEquals } from "../assert.ts";
import { waypoints } from "../../src/host/path_watch.ts";

Deno.test("every directory, link and target on the way is a waypoint, and a loop of links ends", () => {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.mkdirSync(`${root}/real/below`, { recursive: true });
    Deno.symlinkSync("real", `${root}/link`);
    Deno.symlinkSync(`${root}/link`, `${root}/far`);
    Deno.symlinkSync("loop", `${root}/loop`);
    const ways = (path: string) =>
      waypoints(`${root}/${path}`).filter((way) => way.startsWith(`${root}/`))
        .map((way) => way.slice(root.length + 1)).sort();
    assertEquals(ways("real/below"), ["real", "real/below"]);
    assertEquals(ways("far/below"), ["far", "far/below", "link", "real"]);
    assertEquals(ways("missing/below"), ["missing", "missing/below"]);
    assertEquals(ways("loop/below"), ["loop", "loop/below"]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
