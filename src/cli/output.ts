/** Writing to the terminal or the pipe. */

const encoder = new TextEncoder();

const RETRY_MS = 5;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Nobody reads what we print any more, as after `| head`. */
export class ReaderGone extends Error {
  override name = "ReaderGone";
}

/** Writes all of it, however slowly it is read. Throws ReaderGone. */
export function write(bytes: Uint8Array, to: { writeSync(part: Uint8Array): number }): void {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += to.writeSync(bytes.subarray(sent));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new ReaderGone("nobody reads the output");
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // Whoever shares the pipe with us has made it non-blocking, and it is full.
      Atomics.wait(pause, 0, 0, RETRY_MS);
    }
  }
}

export function print(line: string): void {
  write(encoder.encode(line + "\n"), Deno.stdout);
}

/** The protocol's own object, on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Tells on standard error what is wrong; whether anybody reads it changes nothing. */
export function complain(message: string): void {
  const [first, ...rest] = message.split("\n");
  const lines = [`holdfast: ${first}`, ...rest.map((line) => `  ${line}`)];
  printError(lines.join("\n") + "\n");
}

export function printError(text: string): void {
  try {
    write(encoder.encode(text), Deno.stderr);
  } catch {
    // It cannot be told where everything else would be.
  }
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
