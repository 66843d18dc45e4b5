/** The entry: a person's command, or the one word with which a shim calls us where setsid(1) is missing. */

import { main } from "./src/cli/main.ts";
import { SESSION_VERB } from "./src/host/setsid.ts";

const [first, ...rest] = Deno.args;
if (first === SESSION_VERB) {
  const { executeInSession } = await import("./src/host/replace.ts");
  console.error(`holdfast: ${executeInSession(rest.slice(1))}`);
  Deno.exit(127);
}
Deno.exit(await main(Deno.args));
