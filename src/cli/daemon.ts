/** holdfast daemon: runs the supervisor. */

import { Command, Option } from "commander";
import { configKeys } from "../config.ts";
import { commit, version } from "../version.ts";
import { withExamples } from "./arguments.ts";
import { print } from "./output.ts";

export function daemon(): Command {
  const command = addConfigFlags(
    new Command("daemon").description("run the supervisor in the foreground"),
  )
    .option("--burst", "end when no job is queued or running")
    .option("--check", "say whether the configuration can be used, and end")
    .action(async ({ check }: { check?: boolean }) => {
      const flags = readFlags(command);
      if (!check) return await (await import("../daemon.ts")).runDaemon(flags);
      (await import("../start_settings.ts")).startSettings(flags);
      print(`holdfast ${version} (commit ${commit}): the configuration can be used`);
    });
  return withExamples(
    command,
    "holdfast daemon",
    "holdfast daemon --state-dir /tmp/hf/state --runtime-dir /tmp/hf/run --cpus 8",
  ).addHelpText(
    "after",
    "\nSIGTERM ends it and leaves jobs running for the next one (see --on-stop); SIGHUP replaces it" +
      "\nby the binary that is installed now. LOG_LEVEL (DEBUG, INFO, WARN, ERROR) and" +
      "\nLOG_FORMAT=json shape its log on standard error.",
  );
}

export function addConfigFlags(command: Command): Command {
  command.option("--config <file>", "configuration file (default /etc/holdfast/holdfast.toml)");
  for (const { flag, value, help, kind } of configKeys) {
    const option = new Option(`--${flag} <${value}>`, help);
    if (kind === "limits") option.argParser((text, before: string[] = []) => [...before, text]);
    command.addOption(option);
  }
  return command;
}

/** Flags by configuration key, as they were typed; only what was typed. */
export function readFlags(command: Command): Record<string, string | boolean | string[]> {
  const typed: Record<string, string | boolean | string[]> = command.optsWithGlobals();
  return Object.fromEntries(
    Object.entries(typed).map((
      [name, value],
    ) => [name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  );
}
