/** holdfast recover --dry-run: what the next start would do with each job. */

import { Command } from "commander";
import { withExamples } from "./arguments.ts";
import { addConfigFlags, readFlags } from "./daemon.ts";
import { EXIT, Failure } from "./failure.ts";
import { print, printJson } from "./output.ts";

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
      const { countFates, recoveryPlan } = await import("../recovery_plan.ts");
      const plan = await recoveryPlan(readFlags(command));
      const counts = countFates(plan);
      const items = plan.map(({ job: { id, state }, fate, why }) => ({ id, state, fate, why }));
      if (command.optsWithGlobals().json === true) return printJson({ plan: items, ...counts });
      for (const { id, state, fate, why } of items) print(`${id}  ${state}  ${fate}: ${why}`);
      print(Object.entries(counts).map(([fate, count]) => `${count} ${fate}`).join(", "));
    });
  return withExamples(
    command,
    "holdfast recover --dry-run",
    "holdfast recover --dry-run --state-dir /srv/hf",
  );
}
