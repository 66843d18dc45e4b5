/**
 * With which words and in which directory this program was called, where the runtime cannot say it: it
 * ends at words that are not UTF-8, and in a directory that has been removed. What keeps it from that
 * comes before it, in src/prologue/, and leaves these marks.
 */

/** Stands in for each word with a byte above 127. Who types it himself costs us a look at /proc. */
export const MARK = "?";
/** Where we stand in place of a directory that has been removed. */
export const NOWHERE = "/proc/self/task";

/** What was typed is no text. */
export class NotText extends Error {
  override name = "NotText";
}

/** The words after the program's own. Throws NotText. */
export function typedWords(): string[] {
  if (!Deno.args.includes(MARK)) return Deno.args;
  const words: string[] = [];
  const bytes = Deno.readFileSync("/proc/self/cmdline");
  for (let at = 0, end; (end = bytes.indexOf(0, at)) >= 0; at = end + 1) {
    words.push(text(bytes.subarray(at, end), words.length));
  }
  return words.slice(words.length - Deno.args.length);
}

/** Undefined where it has been removed. Throws NotText. */
export function calledIn(): string | undefined {
  try {
    const here = Deno.cwd();
    return here.startsWith("/proc/") && here === Deno.realPathSync(NOWHERE) ? undefined : here;
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) return undefined;
    throw new NotText("the directory that this was called in has a name that is not UTF-8");
  }
}

function text(bytes: Uint8Array, place: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // What the program is called by is nobody's word.
    if (place === 0) return MARK;
    const shown = JSON.stringify(new TextDecoder().decode(bytes));
    throw new NotText(
      `word ${place} of the command, ${shown}, is not UTF-8; nothing else can be handed on`,
    );
  }
}
