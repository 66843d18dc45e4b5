/** Points in time as people write them: with a zone, in local time, or as a duration from now. */

import { parseDuration } from "../units.ts";

/** As for the other durations: what is further away is a mistake. */
const LONGEST_S = 3650 * 86_400;
const TIME =
  /^(?:(\d{4})-(\d\d)-(\d\d)[T ])?([01]\d|2[0-3]|\d):([0-5]\d)(?::([0-5]\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/;

/** From `2026-11-24T18:00:00Z`, `2026-11-24 18:00`, `18:00` (the next), `+90m`; undefined for anything else. */
export function parseTime(text: string, now: Date): Date | undefined {
  if (text.startsWith("+")) {
    const s = parseDuration(text.slice(1)) ?? Infinity;
    return s <= LONGEST_S ? new Date(now.getTime() + s * 1000) : undefined;
  }
  const [all, year, month, day, hour, minute, second = "00", fraction = "", zone] =
    TIME.exec(text.toUpperCase()) ?? [];
  if (all === undefined) return undefined;
  const clock = [hour, minute, second, Number(fraction) * 1000].map(Number) as Clock;
  if (year === undefined) return zone ? undefined : next(clock, now);
  const date = [year, month, day].map(Number) as Day;
  const utc = new Date(Date.UTC(date[0], date[1] - 1, date[2]));
  if (date[0] < 1970 || utc.getUTCDate() !== date[2] || utc.getUTCMonth() + 1 !== date[1]) {
    return undefined;
  }
  if (!zone) return local(date, clock);
  const time = new Date(
    `${year}-${month}-${day}T${hour!.padStart(2, "0")}:${minute}:${second}${fraction}${zone}`,
  );
  return Number.isNaN(time.getTime()) ? undefined : time;
}

type Day = [year: number, month: number, day: number];
type Clock = [hour: number, minute: number, second: number, ms: number];

function local([year, month, day]: Day, clock: Clock): Date {
  return new Date(year, month - 1, day, ...clock);
}

/** The next time that the clock shows this: by the calendar, since a day may have 23 or 25 hours. */
function next(clock: Clock, now: Date): Date {
  const [year, month, day] = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  const today = local([year, month, day], clock);
  return today > now ? today : local([year, month, day + 1], clock);
}
