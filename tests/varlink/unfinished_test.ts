import assert from "node:assert/strict";
import fc from "fast-check";
import { isBlank, UNENDED, wrongBeginning, wrongSoFar } from "../../src/varlink/unfinished.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), {
  noNullPrototype: true,
});

Deno.test("nothing is wrong with the beginning of an object, wherever it breaks off", () => {
  fc.assert(fc.property(object, fc.constantFrom(undefined, 2), (value, indent) => {
    const whole = bytes(JSON.stringify(value, undefined, indent));
    for (let length = 0; length < whole.length; length++) {
      const pending = whole.subarray(0, length);
      assert.equal(wrongSoFar(pending) ?? wrongBeginning(pending), undefined);
    }
  }));
});

Deno.test("a whole object without its NUL is told that it is missing, with any blanks behind", () => {
  const blanks = fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 3 });
  fc.assert(fc.property(object, blanks, (value, end) => {
    assert.equal(wrongSoFar(bytes(JSON.stringify(value) + end)), UNENDED);
  }));
});

Deno.test("what can become no object is told, and where", () => {
  const wrong = [
    "{}\n{}",
    '{"method":"a.b"}x',
    "{'method'",
    "{method",
    '{"a":1,}',
    '{"a":nope',
    '{"a":01',
    '{"a":"\n',
    '{"a" "b"',
    "[1]",
  ];
  for (const text of wrong) assert.match(wrongSoFar(bytes(text))!, /JSON|NUL/, text);
  assert.match(wrongSoFar(Uint8Array.of(0x7b, 0xff))!, /not a JSON object/);
});

Deno.test("what begins no object is seen at its first letter", () => {
  const begin = (text: string) => wrongBeginning(bytes(text));
  assert.match(begin("GET / HTTP/1.1\r\n")!, /begins with "GET \/ HTTP\/1.1\\r\\n"/);
  assert.match(wrongBeginning(Uint8Array.of(0x16, 3, 1))!, /not a JSON object/);
  assert.match(begin("\ufeff{}")!, /not a JSON object/);
  for (const text of ["", "{", " ", "\r\n", " {"]) assert.equal(begin(text), undefined);
  assert.ok(isBlank(bytes(" \r\n\t")));
  assert.ok(!isBlank(bytes(" {")));
});
