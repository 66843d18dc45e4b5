/** Reads what was typed after a verb; a wrong value is a usage error that shows a right one. */

import { type Command, InvalidArgumentError } from "commander";
import { parseDuration, parseSize } from "../units.ts";

export function jobId(text: string): number {
  return whole(text, 1, "a job's id is a whole number, such as 12");
}

/** For repeatable arguments. */
export function jobIds(text: string, before: number[] = []): number[] {
  return [...before, ...text.split(",").map(jobId)];
}

/** s */
export function duration(text: string): number {
  return parseDuration(text) ?? wrong("a duration is written 90, 90s, 5m, 2h or 1d");
}

/** bytes */
export function size(text: string): number {
  return parseSize(text) ?? wrong("a size is written 1024, 512M or 2G");
}

export function count(text: string): number {
  return whole(text, 0, "a whole number is needed");
}

export function integer(text: string): number {
  return /^-?\d{1,7}$/.test(text) ? Number(text) : wrong("a whole number is needed");
}

export function variable(
  text: string,
  before: Record<string, string> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) wrong("an environment variable is written NAME=VALUE");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Adds examples to a verb's help. */
export function withExamples(command: Command, ...lines: string[]): Command {
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`,
  );
}

function whole(text: string, least: number, message: string): number {
  return /^\d{1,15}$/.test(text) && Number(text) >= least ? Number(text) : wrong(message);
}

function wrong(message: string): never {
  throw new InvalidArgumentError(`${message}.`);
}
