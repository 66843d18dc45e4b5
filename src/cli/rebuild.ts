/** holdfast rebuild: a new journal out of a damaged one and of what runs have left on disk. */

import { Command } from "commander";
import { withExamples } from "./arguments.ts";
import { addConfigFlags, readFlags } from "./daemon.ts";
import { print, printJson } from "./output.ts";

export function rebuild(): Command {
  const command = addConfigFlags(
    new Command("rebuild").description(
      "make a new journal of what a damaged one, runs/ and exits/ still tell",
    ),
  )
    .option("--dry-run", "tell what it would do and change nothing")
    .option("--force", "rebuild a sound journal too")
    .option("--json", "print what was done as one JSON object")
    .action(async ({ dryRun = false, force = false }: { dryRun?: boolean; force?: boolean }) => {
      const { describeRebuild, rebuildPlan } = await import("../rebuild_plan.ts");
      const flags = readFlags(command);
      const found = dryRun
        ? await rebuildPlan(flags)
        : await (await import("../rebuild.ts")).rebuildJournal(flags, force);
      if (command.optsWithGlobals().json !== true) {
        for (const line of describeRebuild(found, { dryRun, force })) print(line);
        return;
      }
      const { items, ...rest } = found;
      const jobs = items.map(({ id, fate, why, job }) => ({ id, fate, why, state: job?.state }));
      printJson({ ...rest, jobs });
    });
  return withExamples(
    command,
    "holdfast rebuild --dry-run",
    "holdfast rebuild --state-dir /srv/hf",
  ).addHelpText(
    "after",
    "\nFor a supervisor that refuses to start on its journal. Every row that can be read is kept, a" +
      "\njob whose row is lost is found by its files in runs/ and exits/, and no job that may have run" +
      "\nis queued again. The old journal is kept beside as journal.db.damaged-TIME.",
  );
}
