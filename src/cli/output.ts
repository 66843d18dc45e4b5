/** Writing to the terminal or the pipe. */

const encoder = new TextEncoder();

/** Ends quietly when the reader has gone, as `| head` does. */
export function write(bytes: Uint8Array, to: typeof Deno.stdout = Deno.stdout): void {
  try {
    for (let sent = 0; sent < bytes.length;) sent += to.writeSync(bytes.subarray(sent));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

export function print(line: string): void {
  write(encoder.encode(line + "\n"));
}

/** The protocol's own object, on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

export function complain(message: string): void {
  const [first, ...rest] = message.split("\n");
  const lines = [`holdfast: ${first}`, ...rest.map((line) => `  ${line}`)];
  write(encoder.encode(lines.join("\n") + "\n"), Deno.stderr);
}

export function isColourful(): boolean {
  return Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
}

/** Columns of the terminal; undefined when nothing has to fit. */
export function width(): number | undefined {
  if (!Deno.stdout.isTerminal()) return undefined;
  try {
    return Deno.consoleSize().columns;
  } catch {
    return undefined;
  }
}
