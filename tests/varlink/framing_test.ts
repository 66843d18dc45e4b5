import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeMessage,
  MalformedMessage,
  MessageTooLong,
  parseMessage,
  Splitter,
} from "../../src/varlink/framing.ts";

const MAX = 1 << 20;

function pushAll(splitter: Splitter, chunks: Uint8Array[]): Record<string, unknown>[] {
  return chunks.flatMap((chunk) => splitter.push(chunk)).map(parseMessage);
}

function join(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const message = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), {
  noNullPrototype: true,
});

/** What JSON makes of it, as -0 becomes 0. */
const viaJson = (value: unknown) => JSON.parse(JSON.stringify(value));

Deno.test("messages come out whole at every split point", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      const stream = join(messages.map(encodeMessage));
      for (let at = 0; at <= stream.length; at++) {
        const chunks = [stream.subarray(0, at), stream.subarray(at)];
        assert.deepEqual(pushAll(new Splitter(MAX), chunks), messages.map(viaJson));
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("messages come out whole however the stream is cut", () => {
  const sizes = fc.infiniteStream(fc.integer({ min: 0, max: 40 }));
  fc.assert(fc.property(fc.array(message, { maxLength: 8 }), sizes, (messages, cuts) => {
    const stream = join(messages.map(encodeMessage));
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const size = cuts.next().value as number;
      chunks.push(stream.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(pushAll(new Splitter(MAX), chunks), messages.map(viaJson));
  }));
});

Deno.test("messages stay as they are when the caller reuses its buffer", () => {
  const stream = join([{ a: 1 }, { b: 2 }, { c: 3 }].map(encodeMessage));
  for (let at = 0; at <= stream.length; at++) {
    const splitter = new Splitter(MAX);
    const buffer = new Uint8Array(stream.length);
    const seen: Uint8Array[] = [];
    for (const part of [stream.subarray(0, at), stream.subarray(at)]) {
      buffer.set(part);
      seen.push(...splitter.push(buffer.subarray(0, part.length)));
      buffer.fill(0x78);
    }
    assert.deepEqual(seen.map(parseMessage), [{ a: 1 }, { b: 2 }, { c: 3 }]);
  }
});

Deno.test("a message that is too long is refused at every split point, after those before it", () => {
  const stream = join([
    new TextEncoder().encode("{}\0"),
    new TextEncoder().encode("123456789\0"),
    new TextEncoder().encode("{}\0"),
  ]);
  for (let at = 0; at <= stream.length; at++) {
    const splitter = new Splitter(8);
    const seen: Uint8Array[] = [];
    let refused = 0;
    for (const part of [stream.subarray(0, at), stream.subarray(at)]) {
      try {
        seen.push(...splitter.push(part));
      } catch (error) {
        assert.ok(error instanceof MessageTooLong);
        seen.push(...error.complete);
        refused++;
      }
    }
    assert.ok(refused > 0, `split at ${at}`);
    assert.deepEqual(seen.map(parseMessage), [{}]);
  }
});

Deno.test("a message of exactly the maximum size is taken, its NUL not counted", () => {
  for (const size of [1, 2, 9]) {
    const stream = join([new Uint8Array(9).fill(0x20), new Uint8Array(1)]);
    const splitter = new Splitter(9);
    const chunks = [];
    for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
    assert.equal(chunks.flatMap((chunk) => splitter.push(chunk))[0]?.length, 9);
    assert.equal(splitter.pending.length, 0);
  }
});

Deno.test("a message without end is refused as soon as it is too long, and held no longer", () => {
  const splitter = new Splitter(10);
  splitter.push(new Uint8Array(10).fill(0x20));
  assert.throws(() => splitter.push(new Uint8Array(1).fill(0x20)), MessageTooLong);
  assert.equal(splitter.pending.length, 0);
  assert.throws(() => splitter.push(new Uint8Array(0)), MessageTooLong);
});

Deno.test("a stream that breaks off leaves the beginning of a message pending", () => {
  const splitter = new Splitter(MAX);
  assert.equal(splitter.push(new TextEncoder().encode('{}\0{"a"')).length, 1);
  assert.equal(splitter.pending.length, 4);
});

Deno.test("what is not a JSON object in UTF-8 is malformed", () => {
  for (const text of ["", "[]", "null", "1", '"a"', "{", "{}{}", "\ufeff{}"]) {
    assert.throws(() => parseMessage(new TextEncoder().encode(text)), MalformedMessage, text);
  }
  assert.throws(() => parseMessage(Uint8Array.of(0x7b, 0xff, 0x7d)), MalformedMessage);
});

Deno.test("an encoded message holds no NUL but its last byte", () => {
  const bytes = encodeMessage({ text: "a\0b" });
  assert.equal(bytes.indexOf(0), bytes.length - 1);
  assert.deepEqual(parseMessage(bytes.subarray(0, -1)), { text: "a\0b" });
});
