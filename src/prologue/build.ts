/** A step of compile.sh: `build.ts FROM TO` makes of a compiled program one with the prologue. */

import { withPrologue } from "./insert.ts";

const [from, to] = Deno.args as [string, string];
const temporary = `${to}.${Deno.pid}`;
Deno.writeFileSync(temporary, withPrologue(Deno.readFileSync(from)), { mode: 0o755 });
// The one that is there may be running.
Deno.renameSync(temporary, to);
