/** Tables of plain text: columns as wide as they must be, the last cut where the line ends. Pure. */

export interface TableOptions {
  /** Columns of the terminal; without it nothing is cut. */
  readonly width?: number;
  /** Decorates a cell that has already been padded. */
  readonly paint?: (text: string, column: number) => string;
}

const GAP = "  ";

export function layOut(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width, paint = (text) => text }: TableOptions = {},
): string[] {
  const all = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, column) => Math.max(...all.map((row) => [...row[column]!].length)));
  const last = head.length - 1;
  const before = widths.slice(0, last).reduce((sum, each) => sum + each + GAP.length, 0);
  const room = width === undefined ? Infinity : Math.max(8, width - before);
  return all.map((row, i) =>
    row.map((text, column) => {
      const cell = column === last ? cut(text, room) : pad(text, widths[column]!);
      return i === 0 ? cell : paint(cell, column);
    }).join(GAP).trimEnd()
  );
}

function cut(text: string, room: number): string {
  const letters = [...text];
  return letters.length <= room ? text : letters.slice(0, room - 1).join("") + "…";
}

function pad(text: string, width: number): string {
  return text + " ".repeat(width - [...text].length);
}

/** A job's name or command must not move the cursor of whoever lists it. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (letter) => JSON.stringify(letter).slice(1, -1));
}
