/** holdfast health: one line and an exit code, for those who ask every minute. */

import type { Command } from "commander";
import type { HealthStatus, Methods } from "../varlink/interface.ts";
import { duration, withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { AlreadyTold, EXIT, Failure } from "./failure.ts";
import { print, printJson } from "./output.ts";
import { printable } from "./table.ts";
import { verb } from "./verb.ts";

const PATIENCE_S = 5;

export function health(): Command {
  const command = verb("health", "tell in one line whether somebody must come and look")
    .option(
      "--timeout <duration>",
      `how long to wait for an answer (default ${PATIENCE_S}s)`,
      duration,
    )
    .action(async ({ timeout = PATIENCE_S }: { timeout?: number }) => {
      const reply = await inTime(
        timeout,
        withClient(command, (client) => client.call("Health", {})),
      );
      if (globals(command).json) printJson(reply);
      else print(healthText(reply.health));
      if (reply.health.faults.length > 0) throw new AlreadyTold(EXIT.failed);
    });
  return withExamples(command, "holdfast health", "holdfast health --timeout 2s || page-somebody")
    .addHelpText(
      "after",
      "\nExit code: 0 it serves, 1 it serves and somebody must look, 4 no answer in time.",
    );
}

export function healthText(health: HealthStatus): string {
  const { faults, running, queued, draining, turnMs, commitMs } = health;
  const state = draining ? "draining, " : "";
  const facts =
    `${state}${running} running, ${queued} queued; turns up to ${turnMs} ms, commits up ` +
    `to ${commitMs} ms`;
  return printable(faults.length > 0 ? `FAULT: ${faults.join("; ")} (${facts})` : `OK: ${facts}`);
}

async function inTime(
  timeout: number,
  answer: Promise<Methods["Health"][1]>,
): Promise<Methods["Health"][1]> {
  const late = new Failure(`no answer within ${timeout} s`, EXIT.noSupervisor);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), timeout * 1000);
  });
  try {
    return await Promise.race([answer, patience]);
  } finally {
    clearTimeout(timer);
  }
}
