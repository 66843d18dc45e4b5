/** What every verb has in common: the options that say which supervisor, and how to print. */

import { Command } from "commander";

export function verb(name: string, description: string): Command {
  return addGlobals(new Command(name).description(description).helpCommand(false));
}

export function addGlobals(command: Command): Command {
  return command
    .option(
      "--socket <path>",
      "control socket (default: $HOLDFAST_SOCKET, else in the runtime directory)",
    )
    .option("--runtime-dir <directory>", "runtime directory of the supervisor")
    .option("--json", "print the protocol's own objects and nothing else");
}
