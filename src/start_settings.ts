/**
 * What a supervisor starts with: its configuration, its places and its log, found out and checked. It
 * changes nothing, so that `daemon --check`, which a successor is tried by, may do it at any time.
 */

import { type Config, ConfigError } from "./config.ts";
import { check, type Places, places } from "./directories.ts";
import { cannotHoldCgroups } from "./host/cgroup_ground.ts";
import { Outlet } from "./host/outlet.ts";
import type { Log } from "./job/log.ts";
import { openLog } from "./log_output.ts";
import { type Flags, readConfig } from "./settings.ts";

export interface StartSettings {
  readonly config: Config;
  readonly where: Places;
  readonly log: Log;
  /** Standard error, where the log goes. */
  readonly outlet: Outlet;
}

const STDERR = 2;

/** Throws ConfigError, NoPlace. */
export function startSettings(flags: Flags): StartSettings {
  const outlet = new Outlet(STDERR);
  const log = openLog({
    outlet,
    level: Deno.env.get("LOG_LEVEL"),
    format: Deno.env.get("LOG_FORMAT"),
    toJournal: Deno.env.has("JOURNAL_STREAM"),
  });
  const config = readConfig(flags);
  const where = places(config);
  check(where);
  const problem = cannotHoldCgroups(config.cgroup);
  if (problem !== undefined) throw new ConfigError(problem);
  return { config, where, log, outlet };
}
