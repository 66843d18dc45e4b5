/**
 * Tables and lists of facts in plain text, never wider than the terminal: the widest column of a
 * table is cut first, a long fact goes on in the next line. Pure.
 */

export interface TableOptions {
  /** Columns of the terminal; without it nothing is cut. */
  readonly width?: number;
  /** Decorates a cell that has already been padded. */
  readonly paint?: (text: string, column: number) => string;
}

const GAP = "  ";
/** A column is not made narrower than this while another can give way. */
const LEAST = 9;
/** Where the texts of facts begin, and the room for them that is worth such a margin. */
const MARGIN = 13, FACT = 20;

export function layOut(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width = Infinity, paint = (text) => text }: TableOptions = {},
): string[] {
  const all = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, column) => Math.max(...all.map((row) => columns(row[column]!))));
  const fitting = fit(widths, width);
  return all.map((row, i) =>
    fitting.map((room, column) => {
      const cell = pad(cut(row[column]!, room), column < fitting.length - 1 ? room : 0);
      return i === 0 ? cell : paint(cell, column);
    }).join(GAP).trimEnd()
  );
}

/** Lines of `Name: text`, those without a text left out. */
export function layOutFacts(
  facts: readonly (readonly [string, string | undefined])[],
  width = Infinity,
): string[] {
  const room = Math.max(width, LEAST);
  // Where a margin would leave no room for the text there is none.
  const margin = room < MARGIN + FACT ? 1 : MARGIN;
  return facts.filter(([, text]) => text).flatMap(([name, text]) =>
    fold(`${pad(`${name}:`, margin - 1)} ${printable(text!)}`, room, " ".repeat(margin))
  );
}

/** Widths that fit: the widest gives way first, then the last ones are cut or left out. */
function fit(widths: readonly number[], width: number): number[] {
  const fitting = widths.map((each) => Math.min(each, width));
  const excess = () => fitting.reduce((sum, each) => sum + each + GAP.length, -GAP.length) - width;
  for (let over = excess(); over > 0; over--) {
    const widest = Math.max(...fitting);
    if (widest <= LEAST) break;
    fitting[fitting.lastIndexOf(widest)]!--;
  }
  for (let over = excess(); over > 0; over = excess()) {
    const last = fitting.pop()!;
    if (last > over) return [...fitting, last - over];
  }
  return fitting;
}

/** Breaks a line into lines of at most `width`, at spaces where it can; all but the first indented. */
function fold(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let rest = text;
  while (columns(rest) > width) {
    const taken = take(rest, width);
    const space = taken.lastIndexOf(" ");
    const [word] = rest.slice(space + 1).split(" ", 1);
    const isWhole = space > indent.length && columns(word!) <= width - indent.length;
    const line = isWhole ? taken.slice(0, space) : taken;
    lines.push(line.trimEnd());
    rest = indent + rest.slice(line.length).trimStart();
  }
  return [...lines, rest.trimEnd()].filter((line) => line !== "");
}

function cut(text: string, room: number): string {
  return columns(text) <= room ? text : take(text, room - 1) + "…";
}

/** As much of the beginning as fits. */
function take(text: string, room: number): string {
  let taken = "", used = 0;
  for (const letter of text) {
    used += columns(letter);
    if (used > room) break;
    taken += letter;
  }
  return taken;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - columns(text)));
}

const MARK = /^[\p{M}\p{Cf}]$/u;
const WIDE =
  /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]$/u;

/** How many columns of a terminal a text takes: East Asian letters two, marks on a letter none. */
export function columns(text: string): number {
  let sum = 0;
  for (const letter of text) sum += letter < "\u0300" ? 1 : columnsOf(letter);
  return sum;
}

function columnsOf(letter: string): number {
  return MARK.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1;
}

/** A job's name or command must not move the cursor of whoever lists it, nor turn its line around. */
export function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (letter) => SHORT[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const SHORT: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };
