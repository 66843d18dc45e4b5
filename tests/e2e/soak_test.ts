/** A few seconds of the soak, so that it stays working: `npm run soak` is the whole of it. */

import { Soak } from "../../soak/soak.ts";

Deno.test("under random jobs, kills and restarts every job is accounted for and nothing is left", async () => {
  const common = { seed: "short", seconds: 10, print: () => {} };
  await using killed = new Soak({ ...common, name: "killed", restarts: true });
  await using calm = new Soak({ ...common, name: "lives on", restarts: false });
  await Promise.all([killed.run(), calm.run()]);
});
