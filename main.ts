/** The entry: a person's command. */

import { main } from "./src/cli/main.ts";

Deno.exit(await main());
