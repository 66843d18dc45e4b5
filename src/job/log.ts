/** What the rooms tell the log: an event in a few words, and its facts. */

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(event: string, facts?: Facts): void;
  info(event: string, facts?: Facts): void;
  warn(event: string, facts?: Facts): void;
  error(event: string, facts?: Facts): void;
  /** Somebody should come and look. */
  alert(event: string, facts?: Facts): void;
}
