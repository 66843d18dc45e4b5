/** Writing to the terminal or the pipe. */

import { EXIT, Failure } from "./failure.ts";

const encoder = new TextEncoder();

const NON_BLOCKING = 0o4000;

interface Writer {
  writeSync(bytes: Uint8Array): number;
}

/** Nobody reads what we print any more, as after `| head`. */
export class ReaderGone extends Error {
  override name = "ReaderGone";
}

const outlets: Partial<Record<"stdout" | "stderr", Writer>> = {};

/** Writes all of it, however slowly it is read. Throws ReaderGone, and Failure when it cannot. */
export function write(bytes: Uint8Array, to: "stdout" | "stderr"): void {
  const outlet = outlets[to] ??= openOutlet(to);
  try {
    for (let sent = 0; sent < bytes.length;) sent += outlet.writeSync(bytes.subarray(sent));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new ReaderGone("nobody reads the output");
    const cause = (error as Error).message.replace(/ \(os error \d+\)$/, "");
    const name = to === "stdout" ? "standard output" : "standard error";
    throw new Failure(`cannot write to ${name}: ${cause}`, EXIT.failed);
  }
}

/**
 * Whoever shares a pipe with us may have made it non-blocking. The runtime does not tell how much of
 * a failed write has gone out, so that nothing could be tried again: we open it anew, to ourselves.
 */
function openOutlet(to: "stdout" | "stderr"): Writer {
  const fd = to === "stdout" ? 1 : 2;
  try {
    const [, flags] = /^flags:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))!;
    if (parseInt(flags!, 8) & NON_BLOCKING) {
      const path = `/proc/self/fd/${fd}`;
      const { isFifo, isCharDevice } = Deno.statSync(path);
      // A file opened anew would be written from its beginning.
      if (isFifo || isCharDevice) return Deno.openSync(path, { write: true });
    }
  } catch {
    // Without /proc it is taken as it is.
  }
  return Deno[to];
}

export function print(line: string): void {
  write(encoder.encode(line + "\n"), "stdout");
}

/** The protocol's own object, on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Prints the answer to what has been done; when that fails, `done` is told with the failure. */
export function report(done: string, printAnswer: () => void): void {
  try {
    printAnswer();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(`${error.message}\n${done}`, error.exitCode);
  }
}

/** Tells on standard error what is wrong; whether anybody reads it changes nothing. */
export function complain(message: string): void {
  const [first, ...rest] = message.split("\n");
  const lines = [`holdfast: ${first}`, ...rest.map((line) => `  ${line}`)];
  printError(lines.join("\n") + "\n");
}

export function printError(text: string): void {
  try {
    write(encoder.encode(text), "stderr");
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
    // A terminal that was never told its size says 0.
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined;
  }
}
