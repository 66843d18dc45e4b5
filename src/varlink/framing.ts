/**
 * Messages on a byte stream: JSON objects, each ended by a NUL byte. Pure. Used by the server and by
 * the client; the cost is linear in the bytes, however they are cut into chunks.
 */

const NUL = 0;
const FIRST_BUFFER_BYTES = 512;

/** A message is longer than allowed; nothing can be read from this stream any more. */
export class MessageTooLong extends Error {
  /**
   * `complete`: the messages before it in the same chunk, which nobody has seen yet, so that what
   * is answered does not depend on how the stream was cut.
   */
  constructor(readonly maxBytes: number, readonly complete: Uint8Array<ArrayBuffer>[]) {
    super(`a message is longer than ${maxBytes} bytes`);
    this.name = "MessageTooLong";
  }
}

/** The bytes between two NULs are not a JSON object in UTF-8. */
export class MalformedMessage extends Error {
  constructor(cause: string) {
    super(`a message is not a JSON object: ${cause}`);
    this.name = "MalformedMessage";
  }
}

/** Cuts a byte stream into messages of at most `maxBytes` each, their NUL not counted. */
export class Splitter {
  #held = new Uint8Array(0);
  #length = 0;
  #broken = false;

  constructor(readonly maxBytes: number) {}

  /** What has come of a message that has not ended, until the next push. */
  get pending(): Uint8Array<ArrayBuffer> {
    return this.#held.subarray(0, this.#length);
  }

  /**
   * The messages that end in this chunk, without their NUL. They are copies: they stay as they are
   * when the caller reads into its buffer again. Throws MessageTooLong, and again on each later push.
   */
  push(chunk: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const messages: Uint8Array<ArrayBuffer>[] = [];
    if (this.#broken) throw new MessageTooLong(this.maxBytes, messages);
    let start = 0;
    if (this.#length > 0) {
      const end = chunk.indexOf(NUL);
      if (!this.#hold(end < 0 ? chunk : chunk.subarray(0, end))) this.#break(messages);
      if (end < 0) return messages;
      messages.push(this.#take());
      start = end + 1;
    }
    const last = chunk.lastIndexOf(NUL);
    if (last >= start) {
      if (!cut(chunk.slice(start, last + 1), this.maxBytes, messages)) this.#break(messages);
      start = last + 1;
    }
    if (start < chunk.length && !this.#hold(chunk.subarray(start))) this.#break(messages);
    return messages;
  }

  /** Keeps the beginning of a message; false when it is too long. */
  #hold(bytes: Uint8Array): boolean {
    const needed = this.#length + bytes.length;
    if (needed > this.maxBytes) return false;
    if (needed > this.#held.length) {
      // Doubling keeps many small chunks linear.
      const grown = new Uint8Array(Math.max(needed, this.#held.length * 2, FIRST_BUFFER_BYTES));
      grown.set(this.#held.subarray(0, this.#length));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#length);
    this.#length = needed;
    return true;
  }

  #take(): Uint8Array<ArrayBuffer> {
    const message = this.#held.subarray(0, this.#length);
    this.#drop();
    return message;
  }

  #drop(): void {
    this.#held = new Uint8Array(0);
    this.#length = 0;
  }

  #break(complete: Uint8Array<ArrayBuffer>[]): never {
    this.#broken = true;
    this.#drop();
    throw new MessageTooLong(this.maxBytes, complete);
  }
}

/** Adds the messages of a run of bytes that ends with NUL; false at the first that is too long. */
function cut(
  bytes: Uint8Array<ArrayBuffer>,
  maxBytes: number,
  messages: Uint8Array<ArrayBuffer>[],
): boolean {
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(NUL, start);
    if (end - start > maxBytes) return false;
    messages.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return true;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Throws MalformedMessage. */
export function parseMessage(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new MalformedMessage(error instanceof Error ? error.message : String(error));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MalformedMessage("it is another JSON value");
  }
  return value as Record<string, unknown>;
}

/** A message as text, with its NUL: several may be joined and encoded at once. */
export function messageText(message: object): string {
  return JSON.stringify(message) + "\0";
}

export function encodeMessage(message: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(messageText(message));
}
