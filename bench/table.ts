/** What the benchmark prints: headed groups of aligned lines. */

const LABEL = 40, VALUE = 16, NOTE = 44;

export function heading(text: string): void {
  console.log(`\n${text}`);
}

/** `note` compares; `target` is what was aimed at. */
export function line(label: string, value: string, note = "", target = ""): void {
  const text = `  ${label.padEnd(LABEL)}${value.padStart(VALUE)}   ${note.padEnd(NOTE)}${target}`;
  console.log(text.trimEnd());
}

export function target(isMet: boolean, text: string): string {
  return `target ${text}: ${isMet ? "met" : "missed"}`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

export function times(value: number, of: number): string {
  return `${(value / of).toFixed(2)} ×`;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
