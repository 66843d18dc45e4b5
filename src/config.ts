/**
 * The configuration: each key with its kind, default and help, in one table that the file, the flags
 * of `holdfast daemon` and the README share. A flag wins over the file; an unknown key or a wrong
 * value is an error that names the line.
 */

import { isBeyond, type LimitName, type Limits, mergeLimits } from "./job/limits.ts";
import type { Pin } from "./job/spec.ts";
import { limitText, parseLimit, parseLimitWord, WrongLimit } from "./limit_text.ts";
import { parseDuration, parseSize } from "./units.ts";

export interface Config {
  readonly state_dir?: string;
  readonly runtime_dir?: string;
  readonly node_name?: string;
  readonly cpus?: number;
  /** bytes */
  readonly memory?: number;
  /** "auto", "off" or a directory */
  readonly cgroup: string;
  readonly cpu_limit: "share" | "hard";
  readonly on_stop: "keep" | "terminate";
  /** s */
  readonly retention: number;
  readonly alert_above: number;
  /** s */
  readonly check_interval: number;
  /** bytes */
  readonly disk_reserve: number;
  readonly max_queued: number;
  readonly max_connections: number;
  readonly max_calls: number;
  /** bytes */
  readonly max_message: number;
  /** bytes */
  readonly max_unread: number;
  /** What jobs get that do not say. */
  readonly default_limits: Limits;
  /** The most that a job may ask for; of nice and oomScore the least. */
  readonly max_limits: Omit<Limits, "umask">;
  /** s */
  readonly max_timeout?: number;
  readonly max_cpus?: number;
  /** bytes */
  readonly max_memory?: number;
  readonly pin_jobs?: Pin;
}

type ValueKind =
  | "path"
  | "name"
  | "number"
  | "size"
  | "buffer"
  | "anySize"
  | "duration"
  | "interval"
  | "cgroup"
  | "cpuLimit"
  | "onStop"
  | "pin";
/** limits: a table in the file, and a flag that may be repeated. */
type Kind = ValueKind | "limits";

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
  row(
    "cgroup",
    "cgroup",
    "auto|off|DIRECTORY",
    "where each job gets a cgroup of its own: below the supervisor's, nowhere, or there",
    "auto",
  ),
  row(
    "cpu_limit",
    "cpuLimit",
    "share|hard",
    "whether a job may use more than its CPUs while others leave them idle",
    "share",
  ),
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
  row("default_limits", "limits", "NAME=VALUE", "a limit of jobs that do not say; repeatable"),
  row("max_limits", "limits", "NAME=VALUE", "the most that a job may ask for; repeatable"),
  row("max_timeout", "duration", "DURATION", "the longest timeout of a job"),
  row("max_cpus", "number", "N", "the most CPUs of one job"),
  row("max_memory", "size", "SIZE", "the most memory of one job"),
  row("pin_jobs", "pin", "exclusive|shared", "pin jobs to CPUs that do not say (default: do not)"),
];

const DEFAULT_LOG_SIZE = 2 ** 30;

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
    if (kind === "limits") {
      const inFile = limitsInFile(key, values[key], where);
      config[key] = mergeLimits(limitsOfFlags(flag, flags[key]), inFile) ?? {};
      continue;
    }
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
  return withFittingLimits(config as unknown as Config, where);
}

function limitsInFile(key: string, table: unknown = {}, where: (key: string) => string): Limits {
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    throw new ConfigError(`${where(key)}: ${key} is not a table of limits`);
  }
  const limits = Object.entries(table).map(([name, value]) =>
    orConfigError(`${where(`${key}.${name}`)}: ${key}`, () => parseLimit(name, String(value)))
  );
  return Object.assign({}, ...limits);
}

function limitsOfFlags(flag: string, words: unknown): Limits {
  const typed = Array.isArray(words) ? words : [];
  const limits = typed.map((word) => orConfigError(`--${flag}`, () => parseLimitWord(word)));
  return Object.assign({}, ...limits);
}

function orConfigError<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WrongLimit) throw new ConfigError(`${place}: ${error.message}`);
    throw error;
  }
}

/** With the defaults that nobody wrote; no default may be beyond its maximum. */
function withFittingLimits(config: Config, where: (key: string) => string): Config {
  const most: Limits = config.max_limits;
  const place = (key: string) => where(key) === "" ? key : `${where(key)}: ${key}`;
  if (most.umask !== undefined) {
    throw new ConfigError(`${place("max_limits")}: umask has a default and no maximum`);
  }
  for (const [name, value] of Object.entries(config.default_limits)) {
    const bound = most[name as LimitName] ?? value;
    if (isBeyond(name as LimitName, value, bound)) {
      const text = limitText(name);
      throw new ConfigError(`${place("default_limits")}: ${text} is beyond its maximum ${bound}`);
    }
  }
  const logSize = Math.min(DEFAULT_LOG_SIZE, most.logSize ?? DEFAULT_LOG_SIZE);
  return { ...config, default_limits: { logSize, ...config.default_limits } };
}

const DAY_S = 86_400;
const LONGEST_DAYS = 3650;
/** The runtime counts a timer in 31 bits of ms, and takes a longer one for none at all. */
const LONGEST_INTERVAL_DAYS = 24;

/** Less would leave no room for the refusals and questions of every client. */
const SMALLEST_BUFFER = 4096;

const READERS: Record<ValueKind, (value: unknown) => unknown> = {
  path: (value) => typeof value === "string" && value.startsWith("/") ? value : undefined,
  name: (value) => typeof value === "string" && /^[\w.-]{1,64}$/.test(value) ? value : undefined,
  number: (value) =>
    /^[0-9]{1,9}$/.test(String(value)) && Number(value) > 0 ? Number(value) : undefined,
  size: (value) => positive(parseSize(String(value))),
  buffer: (value) => atLeast(SMALLEST_BUFFER, parseSize(String(value))),
  anySize: (value) => atLeast(0, parseSize(String(value))),
  duration: (value) => daysAtMost(LONGEST_DAYS, value),
  interval: (value) => daysAtMost(LONGEST_INTERVAL_DAYS, value),
  cgroup: (value) =>
    typeof value === "string" && /^(auto|off|\/.*)$/.test(value) ? value : undefined,
  cpuLimit: (value) => value === "share" || value === "hard" ? value : undefined,
  onStop: (value) => value === "keep" || value === "terminate" ? value : undefined,
  pin: (value) => value === "exclusive" || value === "shared" ? value : undefined,
};

const EXPECTED: Record<ValueKind, string> = {
  path: "an absolute path",
  name: "a name of letters, digits, dots, dashes and underscores",
  number: "a whole number from 1 to 999999999",
  size: "a size from 1 to 8191T, such as 1024, 512M or 2G",
  anySize: "a size up to 8191T, such as 0, 512M or 2G",
  buffer: "a size from 4096 to 8191T, such as 64K, 1M or 4M",
  duration: `a duration from 1s to ${LONGEST_DAYS}d, such as 90s, 5m, 2h or 1d`,
  interval: `a duration from 1s to ${LONGEST_INTERVAL_DAYS}d, such as 90s, 5m, 2h or 1d`,
  cgroup: "auto, off or an absolute path",
  cpuLimit: "share or hard",
  onStop: "keep or terminate",
  pin: "exclusive or shared",
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
