/** The entry: a person's command, or the one word with which a shim calls us where setsid(1) is missing. */

import { typedWords } from "./src/called.ts";
import { main } from "./src/cli/main.ts";
import { SESSION_VERB } from "./src/host/setsid.ts";

if (Deno.args[0] === SESSION_VERB) {
  const { executeInSession } = await import("./src/host/replace.ts");
  console.error(`holdfast: ${executeInSession(typedWords().slice(2))}`);
  Deno.exit(127);
}
Deno.exit(await main());
