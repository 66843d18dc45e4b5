/** Gives back what this process has taken and does not need: garbage, free memory, pages of its program. */

import { libc } from "./libc.ts";
import { releaseProgramPages } from "./program_pages.ts";

type Collect = (options: { type: "major"; flavor: "last-resort" }) => void;

/** bytes; to collect a larger heap takes longer than anybody is to wait, and gains less of it. */
const LARGEST_HEAP = 40e6;

/**
 * Takes some tens of ms, in which nobody is answered: to be done when there is nothing to do. Only the
 * flavor of last resort has V8 give back what it has collected.
 */
export function giveMemoryBack(): void {
  // There by --expose-gc (compile.sh).
  const { gc } = globalThis as { gc?: Collect };
  if (Deno.memoryUsage().heapTotal < LARGEST_HEAP) gc?.({ type: "major", flavor: "last-resort" });
  libc.malloc_trim(0n);
  releaseProgramPages();
}
