/** Executes a keeper in the directory that is named, and says that it could, or why not. */

import { executeKeeper } from "../../src/host/keeper_process.ts";
import { keeperProgram } from "../../src/host/keeper_program.ts";

try {
  executeKeeper(keeperProgram(), Deno.args[0]!);
  console.log("executed");
} catch (error) {
  console.log(String(error));
}
