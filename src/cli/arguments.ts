/** Reads what was typed after a verb; a wrong value is a usage error that shows a right one. */

import { type Command, InvalidArgumentError } from "commander";
import { parseArray } from "../job/job_array.ts";
import type { Limits } from "../job/limits.ts";
import { parseLimitWord } from "../limit_text.ts";
import { parseDuration, parseSize } from "../units.ts";
import { complain } from "./output.ts";
import { parseTime, type Understood, understoodText, type Zone } from "./time.ts";
import { NoZone, SystemZone } from "./zone.ts";

/** The limits of a spec, as src/job/spec.ts has them: told here in the units that were typed. */
const DAY_S = 86_400;
const LONGEST_S = 3650 * DAY_S;
const LIMIT = 1_000_000;

type Reader = (text: string) => number;

/** `12`, a job or an array, or `12_3`, the job of array 12 with index 3. */
export interface TypedId {
  readonly id: number;
  readonly index?: number;
}

export function jobId(text: string): TypedId {
  const [, digits, index] = /^(\d+)(?:_(\d+))?$/.exec(text) ?? [];
  const id = Number(digits ?? 0);
  if (Math.max(id, Number(index ?? 0)) > Number.MAX_SAFE_INTEGER) {
    wrong(`a job's id is at most ${Number.MAX_SAFE_INTEGER}, and '${text}' is more`);
  }
  if (id >= 1) return index === undefined ? { id } : { id, index: Number(index) };
  wrong(`a job's id is a whole number such as 12, or 12_3 in an array, and '${text}' is not`);
}

/** For repeatable arguments. */
export function jobIds(text: string, before: TypedId[] = []): TypedId[] {
  return [...before, ...text.split(",").map(jobId)];
}

/** s */
export const duration: Reader = quantity("a duration", LONGEST_S, parseDuration, {
  units: ["s", "d"],
  examples: "90, 90s, 5m, 2h or 1d",
});
export const grace: Reader = quantity("a duration", DAY_S, parseDuration, {
  units: ["s", "d"],
  examples: "90, 90s, 5m or 2h",
});

/** bytes */
export const size: Reader = quantity("a size", Number.MAX_SAFE_INTEGER, parseSize, {
  units: ["B", "T"],
  examples: "1024, 512M or 2G",
});

export const count: Reader = whole(0, Number.MAX_SAFE_INTEGER);
export const cpus: Reader = whole(1, LIMIT);
export const priority: Reader = whole(-LIMIT, LIMIT);

/** RFC 3339 in UTC. What was understood is said where it is not a time of today. */
export function time(text: string): string {
  const now = new Date();
  using zone = new SystemZone();
  const understood = understand(text, now, zone);
  if (understood) {
    const told = sayUnderstood(understood, now, zone);
    if (told !== undefined) complain(`${text} is ${told}`);
    return understood.time.toISOString();
  }
  wrong(
    `'${text}' is not a time such as 18:00, '2026-11-24 18:00' or 2026-11-24T18:00:00Z, ` +
      "or +90m for 90 minutes from now",
  );
}

function understand(text: string, now: Date, zone: Zone): Understood | undefined {
  try {
    return parseTime(text, now, zone);
  } catch (error) {
    if (!(error instanceof NoZone)) throw error;
    wrong(
      `'${text}' is in local time, which is unknown: ${error.message}; say a time with its zone, ` +
        "such as 2026-11-24T18:00:00Z",
    );
  }
}

const UTC: Zone = { at: () => ({ offsetMs: 0, name: "UTC" }) };

function sayUnderstood(understood: Understood, now: Date, zone: Zone): string | undefined {
  try {
    return understoodText(understood, now, zone);
  } catch (error) {
    if (!(error instanceof NoZone)) throw error;
    return understoodText(understood, now, UTC);
  }
}

export function indexes(text: string): string {
  const array = parseArray(text);
  if (typeof array !== "string") return text;
  wrong(`'${text}' ${array}`);
}

export function poolName(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  wrong(
    `'${text}' is not a pool's name: at most 64 letters, digits, dots, dashes and underscores, ` +
      "such as gpu",
  );
}

/** 0 for none */
export function poolLimit(text: string): number {
  const limit = text === "none" ? 0 : /^\d+$/.test(text) ? Number(text) : NaN;
  if (limit <= LIMIT) return limit;
  wrong(`'${text}' is not a whole number from 0 to ${LIMIT}, or none`);
}

export function variable(
  text: string,
  before: Record<string, string> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) wrong(`'${text}' is not a variable, which is written NAME=VALUE`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** For a repeatable option. */
export function limit(text: string, before: Limits = {}): Limits {
  try {
    return { ...before, ...parseLimitWord(text) };
  } catch (error) {
    wrong((error as Error).message);
  }
}

/** Adds examples to a verb's help. */
export function withExamples(command: Command, ...lines: string[]): Command {
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`,
  );
}

function whole(least: number, most: number): Reader {
  return (text) => {
    const number = /^-?\d+$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    wrong(`'${text}' is not a whole number from ${least} to ${most}`);
  };
}

interface Wording {
  /** In which the range is told when none was typed, and when what was typed is none. */
  readonly units: readonly [absent: string, unknown: string];
  readonly examples: string;
}

function quantity(
  what: string,
  most: number,
  parse: (text: string) => number | undefined,
  { units: [absent, unknown], examples }: Wording,
): Reader {
  return (text) => {
    const value = parse(text);
    if (value !== undefined && value <= most) return value;
    const typed = /^\d+([a-z]*)$/i.exec(text)?.[1];
    const unit = typed === ""
      ? absent
      : typed !== undefined && parse(`1${typed}`)
      ? typed
      : unknown;
    const range = `0 to ${Math.floor(most / parse(`1${unit}`)!)}${unit}`;
    wrong(`'${text}' is not ${what} from ${range}, such as ${examples}`);
  };
}

function wrong(message: string): never {
  throw new InvalidArgumentError(message);
}
