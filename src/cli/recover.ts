/** holdfast recover --dry-run: what the next start would do with each job. */

import { Command } from "commander";
import { withExamples } from "./arguments.ts";
import { addConfigFlags, readFlags } from "./daemon.ts";
import { EXIT, Failure } from "./failure.ts";

export function recover(): Command {
  const command = addConfigFlags(
    new Command("recover").description(
      "tell what a start would do with each job of a stopped supervisor",
    ),
  )
    .option("--dry-run", "print the plan and do nothing")
    .option("--json", "print it as one JSON object")
    .action(async ({ dryRun }: { dryRun?: boolean }) => {
      if (!dryRun) {
        throw new Failure(
          "recovery runs by itself whenever the daemon starts; --dry-run shows what it would do",
          EXIT.usage,
        );
      }
      const { printRecoveryPlan } = await import("../daemon.ts");
      Deno.exit(
        await printRecoveryPlan(readFlags(command), command.optsWithGlobals().json === true),
      );
    });
  return withExamples(
    command,
    "holdfast recover --dry-run",
    "holdfast recover --dry-run --state-dir /srv/hf",
  );
}
