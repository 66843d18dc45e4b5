/** What the soak counts and measures: deeds and ends by name, and growth over time in a table. */

import { BINARY } from "../tests/e2e/home.ts";
import type { SoakHome } from "./home.ts";

export class Counts {
  #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, this.of(name) + count);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  text(): string {
    const sorted = [...this.#counts].sort(([a], [b]) => a < b ? -1 : 1);
    return sorted.map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`).join("\n");
  }
}

/** One look at a supervisor and its files. */
export interface Sample {
  readonly rss: number;
  readonly descriptors: number;
  /** Run directories and exit records. */
  readonly files: number;
  /** bytes, with its write-ahead log */
  readonly journal: number;
}

/** undefined when the supervisor has just gone, or is not yet itself. */
export function sample(home: SoakHome): Sample | undefined {
  try {
    if (Deno.readLinkSync(`/proc/${home.pid}/exe`) !== Deno.realPathSync(BINARY)) return undefined;
    const [, pages] = Deno.readTextFileSync(`/proc/${home.pid}/statm`).split(" ");
    return {
      rss: Number(pages) * 4096,
      descriptors: descriptors(home.pid).length,
      files: entries(`${home.state}/runs`) + entries(`${home.state}/exits`),
      journal: size(`${home.state}/journal.db`) + size(`${home.state}/journal.db-wal`),
    };
  } catch {
    return undefined;
  }
}

/** What each open descriptor leads to. */
export function descriptors(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].flatMap(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`).replace(/\d+/g, "N");
    } catch {
      return [];
    }
  }).sort();
}

/** The samples of one stretch of time; lowest and highest of each. */
export class Stretch {
  #samples: Sample[] = [];

  add(sample: Sample | undefined): void {
    if (sample) this.#samples.push(sample);
  }

  least(of: keyof Sample): number {
    return Math.min(...this.#samples.map((sample) => sample[of]));
  }

  most(of: keyof Sample): number {
    return Math.max(...this.#samples.map((sample) => sample[of]));
  }

  get isEmpty(): boolean {
    return this.#samples.length === 0;
  }
}

export const COLUMNS = [
  "until s",
  "supervisor",
  "jobs",
  "kept",
  "starts",
  "kills",
  "RSS MB",
  "descriptors",
  "files",
  "journal MB",
] as const;
const WIDTHS = COLUMNS.map((column) => Math.max(column.length, column === "RSS MB" ? 13 : 8) + 2);

export function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => String(cell).padStart(WIDTHS[i]!)).join("");
}

export function range(stretch: Stretch, of: keyof Sample, unit = 1, digits = 0): string {
  const [least, most] = [stretch.least(of), stretch.most(of)].map((value) =>
    (value / unit).toFixed(digits)
  );
  return least === most ? least! : `${least} - ${most}`;
}

function entries(directory: string): number {
  return [...Deno.readDirSync(directory)].length;
}

function size(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
