/**
 * Points in time as people write them: with a zone, in local time, or as a duration from now; and how
 * they are told what was understood. Pure: clocks and zones are given.
 */

import { parseDuration } from "../units.ts";

/** What the clocks on the walls of a place show. */
export interface Zone {
  /** Of local time from UTC at an instant, both in ms, and its name, such as CET. */
  at(ms: number): { readonly offsetMs: number; readonly name: string };
}

/** `change`: the clocks are changed in that hour, which comes twice or not at all. */
export interface Understood {
  readonly time: Date;
  readonly change?: "first" | "second" | "skipped";
}

/** As for the other durations: what is further away is a mistake. */
const LONGEST_S = 3650 * 86_400;
const TIME =
  /^(?:(\d{4})-(\d\d)-(\d\d)[T ])?([01]\d|2[0-3]|\d):([0-5]\d)(?::([0-5]\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/;
const HOUR_MS = 3_600_000, DAY_MS = 24 * HOUR_MS;
/** No zone is further from UTC than a day; with some hours to spare, to see the change of clocks. */
const AROUND_H = 30;

/**
 * From `2026-11-24T18:00:00Z`, `2026-11-24 18:00`, `18:00` (the next), `+90m`; undefined for anything
 * else. `zone`: asked for local time alone.
 */
export function parseTime(text: string, now: Date, zone: Zone): Understood | undefined {
  if (text.startsWith("+")) {
    const s = parseDuration(text.slice(1)) ?? Infinity;
    return s <= LONGEST_S ? { time: new Date(now.getTime() + s * 1000) } : undefined;
  }
  const [all, year, month, day, hour, minute, second = "00", fraction = "", offset] =
    TIME.exec(text.toUpperCase()) ?? [];
  if (all === undefined) return undefined;
  const [h, min, s, part] = [hour, minute, second, fraction].map(Number) as number[];
  const clockMs = h! * HOUR_MS + min! * 60_000 + s! * 1000 + Math.floor(part! * 1000);
  if (year === undefined) return offset ? undefined : next(clockMs, now, zone);
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const isDate = date.getUTCDate() === Number(day) && date.getUTCMonth() + 1 === Number(month);
  if (Number(year) < 1970 || !isDate) return undefined;
  if (!offset) return soonest(understand(date.getTime() + clockMs, zone), now);
  const time = new Date(
    `${year}-${month}-${day}T${hour!.padStart(2, "0")}:${minute}:${second}${fraction}${offset}`,
  );
  return Number.isNaN(time.getTime()) ? undefined : { time };
}

/** The next time that the clock shows this, by the calendar: a day may have 23 or 25 hours, or be left out. */
function next(clockMs: number, now: Date, zone: Zone): Understood {
  const localMs = now.getTime() + zone.at(now.getTime()).offsetMs;
  const today = localMs - mod(localMs, DAY_MS);
  const days = [-1, 0, 1, 2].map((days) => today + days * DAY_MS);
  return soonest(days.flatMap((day) => understand(day + clockMs, zone)), now);
}

/** The first that is to come; the last where none is. In their order. */
function soonest(times: readonly Understood[], now: Date): Understood {
  return times.toSorted((a, b) => a.time.getTime() - b.time.getTime())
    .find(({ time }) => time > now) ?? times.at(-1)!;
}

/**
 * When the clocks show this: twice in the hour that is repeated. In the hour that is left out as long
 * after the change as it is after the beginning of that hour. `localMs`: as if it were UTC.
 */
function understand(localMs: number, zone: Zone): Understood[] {
  const around = Array.from({ length: 2 * AROUND_H + 1 }, (_, i) => (i - AROUND_H) * HOUR_MS);
  const offsets = [...new Set(around.map((ms) => zone.at(localMs + ms).offsetMs))];
  const times = offsets.map((offsetMs) => localMs - offsetMs)
    .filter((ms) => ms + zone.at(ms).offsetMs === localMs).sort((a, b) => a - b);
  if (times.length === 1) return [{ time: new Date(times[0]!) }];
  if (times.length > 1) {
    return times.map((ms, at) => ({ time: new Date(ms), change: at === 0 ? "first" : "second" }));
  }
  const before = zone.at(localMs - Math.max(...offsets)).offsetMs;
  return [{ time: new Date(localMs - before), change: "skipped" }];
}

const CHANGES = {
  first: ", the first of the two times that the clock shows that",
  second: ", the second of the two times that the clock shows that",
  skipped: ", since the clock skips the time that was given",
};

/** `2026-10-25 02:30 +01:00 (CET)`, and what is odd about it; undefined where it goes without saying. */
export function understoodText(
  { time, change }: Understood,
  now: Date,
  zone: Zone,
): string | undefined {
  const [then, today] = [time, now].map((date) => localText(date.getTime(), zone));
  if (!change && then!.day === today!.day) return undefined;
  const { day, clock, offset, name } = then!;
  return `${day} ${clock} ${offset}${name}${change ? CHANGES[change] : ""}`;
}

function localText(ms: number, zone: Zone) {
  const { offsetMs, name } = zone.at(ms);
  const [day, clock] = new Date(ms + offsetMs).toISOString().split("T") as [string, string];
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const [h, min] = [Math.floor(minutes / 60), minutes % 60].map((n) => String(n).padStart(2, "0"));
  return {
    day,
    clock: clock.replace(/(:00)?\.\d+Z$/, ""),
    offset: `${offsetMs < 0 ? "-" : "+"}${h}:${min}`,
    // Some zones have no name but their offset.
    name: /^[A-Za-z]+$/.test(name) ? ` (${name})` : "",
  };
}

function mod(a: number, b: number): number {
  return ((a % b) + b) % b;
}
