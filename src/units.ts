/** Durations and sizes as people write them. Pure. */

const SECONDS: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
const BYTES: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** s from `90`, `90s`, `5m`, `2h`, `1d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * SECONDS[unit!]!;
}

/** bytes from `1024`, `512M`, `2G`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,12})([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Number(number) * BYTES[unit!.toUpperCase()]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** bytes as a person reads them. */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  for (; bytes >= 1024 && step < units.length - 1; step++) bytes /= 1024;
  return `${bytes < 10 && step > 0 ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}
