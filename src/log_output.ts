/** The daemon's log: one line an event, as key=value or JSON, through LogTape. */

import { configureSync, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";
import { ConfigError } from "./config.ts";
import type { Facts, Log } from "./job/log.ts";

/** Priorities of syslog(3), which journald reads from `<n>` at the beginning of a line. */
const PRIORITY: Record<LogLevel, number> = {
  trace: 7,
  debug: 7,
  info: 6,
  warning: 4,
  error: 3,
  fatal: 1,
};

const LEVELS: Record<string, LogLevel> = {
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  WARNING: "warning",
  ERROR: "error",
};

const FORMATS = { text: textLine, json: jsonLine };

/** Where lines go, each with its newline. What it loses it tells by `lossLine`. */
export interface LineOutlet {
  write(line: string): void;
  lossLine: (lines: number) => string;
}

export interface LogOptions {
  readonly outlet: LineOutlet;
  /** DEBUG, INFO, WARN or ERROR; nothing is INFO. */
  readonly level?: string;
  /** text or json; nothing is text. */
  readonly format?: string;
  /** Whether journald reads us: it adds the time itself and wants priorities. */
  readonly toJournal: boolean;
}

/** Throws ConfigError. */
export function openLog({ outlet, level, format, toJournal }: LogOptions): Log {
  const line = chosen("LOG_FORMAT", FORMATS, format || "text");
  const lowestLevel = chosen("LOG_LEVEL", LEVELS, level || "INFO");
  const lineOf = (record: Told) => {
    const prefix = toJournal ? `<${PRIORITY[record.level]}>` : "";
    return prefix + line(record, toJournal) + "\n";
  };
  outlet.lossLine = (lines) =>
    lineOf({
      level: "error",
      timestamp: Date.now(),
      rawMessage: `${lines.toLocaleString("en")} lines were lost`,
      properties: { lines, why: "nobody read them, or they could not be written" },
    });
  configureSync({
    reset: true,
    sinks: { stderr: (record) => outlet.write(lineOf(record)) },
    loggers: [
      {
        category: "holdfast",
        sinks: ["stderr"],
        lowestLevel,
      },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
  const logger = getLogger("holdfast");
  return {
    debug: (event, facts = {}) => logger.debug(event, facts),
    info: (event, facts = {}) => logger.info(event, facts),
    warn: (event, facts = {}) => logger.warn(event, facts),
    error: (event, facts = {}) => logger.error(event, facts),
    alert: (event, facts = {}) => logger.fatal(event, facts),
  };
}

function chosen<T>(variable: string, values: Record<string, T>, given: string): T {
  const found = Object.entries(values).find(([name]) => name.toLowerCase() === given.toLowerCase());
  if (found) return found[1];
  const names = Object.keys(values).join(", ");
  throw new ConfigError(`${variable}: ${JSON.stringify(given)} is none of ${names}`);
}

/** What of a record is told. */
type Told = Pick<LogRecord, "level" | "timestamp" | "rawMessage" | "properties">;

function textLine(record: Told, toJournal: boolean): string {
  const time = toJournal ? "" : `${new Date(record.timestamp).toISOString()} `;
  const facts = known(record).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return [`${time}${LABEL[record.level]} ${record.rawMessage}`, ...facts].join(" ");
}

function jsonLine(record: Told): string {
  const time = new Date(record.timestamp).toISOString();
  const facts = Object.fromEntries(known(record));
  return JSON.stringify({ time, level: LABEL[record.level], event: record.rawMessage, ...facts });
}

const LABEL: Record<LogLevel, string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warning: "WARN",
  error: "ERROR",
  fatal: "ALERT",
};

function known(record: Told): [string, unknown][] {
  return Object.entries(record.properties as Facts).filter(([, value]) => value !== undefined);
}

function quoted(value: string): string {
  return /^[\w.:,/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
