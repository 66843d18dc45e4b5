/**
 * What is wrong with a message that has begun and not ended, for those who wait for an answer and have
 * not ended it: told before its NUL has come, and only where that can make it right no more. Pure.
 */

const BLANK = new Set([..." \t\r\n"].map((letter) => letter.charCodeAt(0)));
const BRACE = "{".charCodeAt(0);
const SHOWN = 20;
const HOW =
  `each is a JSON object and a NUL byte, as printf '{"method":"io.holdfast.Node"}\\0' writes`;

export const UNENDED = `a message is not ended by a NUL byte: ${HOW}`;

/** What is wrong with a message at its first letter, whatever follows: as of HTTP, TLS or a word. */
export function wrongBeginning(pending: Uint8Array): string | undefined {
  const [first] = pending;
  if (first === undefined || first === BRACE || BLANK.has(first)) return undefined;
  const text = new TextDecoder().decode(pending.subarray(0, SHOWN));
  return `a message is not a JSON object, and begins with ${JSON.stringify(text)}: ${HOW}`;
}

/** What is wrong with all of a message that has come, unless it breaks off in the middle of an object. */
export function wrongSoFar(pending: Uint8Array): string | undefined {
  if (isBlank(pending)) return undefined;
  let text = "";
  try {
    // A letter may break off too.
    const letters = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    text = letters.decode(pending, { stream: true });
    JSON.parse(text);
    return UNENDED;
  } catch (error) {
    const { message } = error as Error;
    // Where V8 cannot go on; at the end anything may follow.
    const at = /at position (\d+)/.exec(message)?.[1];
    if (message === "Unexpected end of JSON input" || Number(at) === text.length) return undefined;
    return `a message is not a JSON object: ${message}; ${HOW}`;
  }
}

export function isBlank(pending: Uint8Array): boolean {
  return pending.every((byte) => BLANK.has(byte));
}
