/** Where a supervisor finds what it is told: the configuration file, and what the flags put over it. */

import { parse as parseToml, TomlError } from "smol-toml";
import { type Config, ConfigError, makeConfig } from "./config.ts";
import { configPaths } from "./paths.ts";

/** The command line's, as commander has them. */
export type Flags = Record<string, string | boolean | readonly string[] | undefined>;

/** Throws ConfigError. */
export function readConfig(flags: Flags): Config {
  const surroundings = { env: (name: string) => Deno.env.get(name), uid: Deno.uid() ?? 0 };
  const given = flags.config;
  const paths = typeof given === "string" ? [given] : configPaths(surroundings);
  for (const path of paths) {
    let text: string;
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && given === undefined) continue;
      throw new ConfigError(`cannot read the configuration ${path}: ${(error as Error).message}`);
    }
    return makeConfig(readToml(path, text), flags, (key) => `${path}:${lineOf(text, key)}`);
  }
  return makeConfig({}, flags, () => "");
}

function readToml(path: string, text: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError(`${path}:${error.line}: ${error.message.split("\n")[0]}`);
  }
}

/** `key`: of a table's entry both names with a dot, which may be on one line or on two. */
function lineOf(text: string, key: string): number {
  const lines = text.split("\n").map((line) => line.replace(/^[\s["]+/, ""));
  const find = (word: string, from = 0) =>
    lines.findIndex((line, at) => at >= from && line.startsWith(word));
  const [table, entry] = key.split(".") as [string, string | undefined];
  const whole = find(key), head = find(table);
  if (whole >= 0 || entry === undefined || head < 0) return whole + 1;
  const below = find(entry, head + 1);
  return (below < 0 ? head : below) + 1;
}
