/**
 * The configuration: each key with its kind, default and help, in one table that the file, the flags
 * of `holdfast daemon` and the README share. A flag wins over the file; an unknown key or a wrong
 * value is an error that names the line.
 */

import { parseDuration, parseSize } from "./units.ts";

export interface Config {
  readonly state_dir?: string;
  readonly runtime_dir?: string;
  readonly node_name?: string;
  readonly cpus?: number;
  /** bytes */
  readonly memory?: number;
  readonly on_stop: "keep" | "terminate";
  /** s */
  readonly retention: number;
  readonly alert_above: number;
  /** s */
  readonly check_interval: number;
  /** bytes */
  readonly log_size: number;
  /** bytes */
  readonly disk_reserve: number;
  readonly max_queued: number;
  readonly max_connections: number;
  readonly max_calls: number;
  /** bytes */
  readonly max_message: number;
  /** bytes */
  readonly max_unread: number;
}

type Kind =
  | "path"
  | "name"
  | "number"
  | "size"
  | "buffer"
  | "anySize"
  | "logSize"
  | "duration"
  | "interval"
  | "onStop";

interface Key {
  readonly key: keyof Config;
  readonly flag: string;
  /** What its value looks like in the help. */
  readonly value: string;
  readonly help: string;
  readonly kind: Kind;
  readonly byDefault?: string | number;
}

export const configKeys: readonly Key[] = [
  row(
    "state_dir",
    "path",
    "DIRECTORY",
    "journal, logs and exit records (default /var/lib/holdfast for root)",
  ),
  row("runtime_dir", "path", "DIRECTORY", "control socket (default /run/holdfast for root)"),
  row("node_name", "name", "NAME", "this node's name (default: the host name)"),
  row("cpus", "number", "N", "CPUs given out (default: what affinity and cgroup quota allow)"),
  row("memory", "size", "SIZE", "memory given out (default: what the machine or its cgroup has)"),
  row("on_stop", "onStop", "keep|terminate", "what SIGTERM does to running jobs", "keep"),
  row("retention", "duration", "DURATION", "how long ended jobs and their logs are kept", "1d"),
  row(
    "alert_above",
    "number",
    "N",
    "more interrupted jobs than this raise an alert in the log",
    10,
  ),
  row("check_interval", "interval", "DURATION", "how often all running jobs are checked", "5m"),
  row("log_size", "logSize", "SIZE", "what is kept of a job's stdout, and of its stderr", "1G"),
  row("disk_reserve", "anySize", "SIZE", "what is kept free on the disk of state_dir", "256M"),
  row("max_queued", "number", "N", "queued jobs before submissions are refused", 100_000),
  row("max_connections", "number", "N", "clients connected at once", 512),
  row("max_calls", "number", "N", "calls of one client in flight", 1000),
  row("max_message", "buffer", "SIZE", "one message of a client", "1M"),
  row(
    "max_unread",
    "buffer",
    "SIZE",
    "replies that a client may leave unread before it is not served on",
    "4M",
  ),
];

/** Something in the configuration is wrong; the message says what and where. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/**
 * `values`: what the file holds, by key; `flags`: what was typed, by key. `lineOf` tells where in the
 * file a key is. Throws ConfigError.
 */
export function makeConfig(
  values: Record<string, unknown>,
  flags: Record<string, unknown>,
  where: (key: string) => string,
): Config {
  const known = new Set<string>(configKeys.map(({ key }) => key));
  const unknown = Object.keys(values).find((key) => !known.has(key));
  if (unknown !== undefined) {
    const names = [...known].join(", ");
    throw new ConfigError(`${where(unknown)}: unknown key "${unknown}"; the keys are ${names}`);
  }
  const config: Record<string, unknown> = {};
  for (const { key, flag, kind, byDefault } of configKeys) {
    const fromFlag = flags[key];
    const value = fromFlag ?? values[key] ?? byDefault;
    if (value === undefined) continue;
    const parsed = READERS[kind](value);
    if (parsed === undefined) {
      const place = fromFlag !== undefined ? `--${flag}` : `${where(key)}: ${key}`;
      throw new ConfigError(`${place}: ${JSON.stringify(value)} is not ${EXPECTED[kind]}`);
    }
    config[key] = parsed;
  }
  return config as unknown as Config;
}

/** As a job's own limit, `MIN_LOG_SIZE` of job/limits.ts. */
const LEAST_LOG_SIZE = 65_536;
const DAY_S = 86_400;
const LONGEST_DAYS = 3650;
/** The runtime counts a timer in 31 bits of ms, and takes a longer one for none at all. */
const LONGEST_INTERVAL_DAYS = 24;

/** Less would leave no room for the refusals and questions of every client. */
const SMALLEST_BUFFER = 4096;

const READERS: Record<Kind, (value: unknown) => unknown> = {
  path: (value) => typeof value === "string" && value.startsWith("/") ? value : undefined,
  name: (value) => typeof value === "string" && /^[\w.-]{1,64}$/.test(value) ? value : undefined,
  number: (value) =>
    /^[0-9]{1,9}$/.test(String(value)) && Number(value) > 0 ? Number(value) : undefined,
  size: (value) => positive(parseSize(String(value))),
  buffer: (value) => atLeast(SMALLEST_BUFFER, parseSize(String(value))),
  anySize: (value) => atLeast(0, parseSize(String(value))),
  logSize: (value) => atLeast(LEAST_LOG_SIZE, parseSize(String(value))),
  duration: (value) => daysAtMost(LONGEST_DAYS, value),
  interval: (value) => daysAtMost(LONGEST_INTERVAL_DAYS, value),
  onStop: (value) => value === "keep" || value === "terminate" ? value : undefined,
};

const EXPECTED: Record<Kind, string> = {
  path: "an absolute path",
  name: "a name of letters, digits, dots, dashes and underscores",
  number: "a whole number from 1 to 999999999",
  size: "a size from 1 to 8191T, such as 1024, 512M or 2G",
  anySize: "a size up to 8191T, such as 0, 512M or 2G",
  logSize: "a size from 64K to 8191T, such as 64K, 512M or 2G",
  buffer: "a size from 4096 to 8191T, such as 64K, 1M or 4M",
  duration: `a duration from 1s to ${LONGEST_DAYS}d, such as 90s, 5m, 2h or 1d`,
  interval: `a duration from 1s to ${LONGEST_INTERVAL_DAYS}d, such as 90s, 5m, 2h or 1d`,
  onStop: "keep or terminate",
};

function daysAtMost(days: number, value: unknown): number | undefined {
  const seconds = positive(parseDuration(String(value)));
  return seconds !== undefined && seconds <= days * DAY_S ? seconds : undefined;
}

function atLeast(least: number, value: number | undefined): number | undefined {
  return value !== undefined && value >= least ? value : undefined;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function row(
  key: keyof Config,
  kind: Kind,
  value: string,
  help: string,
  byDefault?: string | number,
): Key {
  const flag = key.replaceAll("_", "-");
  const shown = byDefault === undefined ? help : `${help} (default ${byDefault})`;
  return { key, flag, value, help: shown, kind, byDefault };
}
