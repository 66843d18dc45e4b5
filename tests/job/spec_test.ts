import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { differingField, isInvalid, readSpec } from "../../src/job/spec.ts";

Deno.test("defaults are filled in, nulls count as absent", () => {
  const spec = readSpec({ command: ["true"], name: null, cpus: null });
  assert(!isInvalid(spec));
  assertEquals([spec.cpus, spec.memory, spec.timeout, spec.grace, spec.priority, spec.after], [
    1,
    0,
    86_400,
    10,
    0,
    [],
  ]);
});

Deno.test("whatever is sent is a spec or a named field, never an exception", () => {
  fc.assert(
    fc.property(fc.anything(), (input) => {
      const result = readSpec(input);
      if (isInvalid(result)) assert(result.field.length > 0 && result.message.length > 0);
      else assert(result.command.length > 0);
    }),
    { numRuns: 2000 },
  );
});

/** Of variables: whatever is not empty and has no NUL and no =. */
const names = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "IFS", "a.b", "1x", " "),
  fc.string({ minLength: 1 }).filter((name) => !/[=\0]/.test(name)),
);

Deno.test("every name and value of an environment is kept, and only what execve cannot pass is refused", () => {
  const read = (json: string) => readSpec({ command: ["a"], environment: JSON.parse(json) });
  const kept = (json: string) => {
    const spec = read(json);
    assert(!isInvalid(spec), JSON.stringify(spec));
    assertEquals(JSON.stringify(spec.environment), json);
  };
  kept('{"__proto__":"1","constructor":"2","IFS":"","a.b":"=","é\\n":"\\n"}');
  for (
    const wrong of [
      '{"":"1"}',
      '{"a=b":"1"}',
      '{"a\\u0000":"1"}',
      '{"a":"\\u0000"}',
      '{"a":1}',
      "[]",
      "1",
    ]
  ) {
    assert(isInvalid(read(wrong)), wrong);
  }
});

Deno.test("a spec that has been read reads the same again", () => {
  const input = fc.record({
    command: fc.array(fc.string().filter((text) => !text.includes("\0")), { minLength: 1 }).filter((
      words,
    ) => words[0] !== ""),
    cpus: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
    after: fc.option(fc.array(fc.integer({ min: 1, max: 9 })), { nil: undefined }),
    environment: fc.option(fc.dictionary(names, fc.constant("v")), { nil: undefined }),
  });
  fc.assert(fc.property(input, (given) => {
    const once = readSpec(given);
    assert(!isInvalid(once), JSON.stringify(once));
    const twice = readSpec(JSON.parse(JSON.stringify(once)));
    assert(!isInvalid(twice));
    assertEquals(JSON.stringify(twice), JSON.stringify(once));
    assertEquals(differingField(once, twice), undefined);
  }));
});

Deno.test("under one key any field may tell two specs apart, but the environment", () => {
  const read = (input: unknown) => {
    const spec = readSpec(input);
    assert(!isInvalid(spec));
    return spec;
  };
  const one = read({ command: ["a"], environment: { A: "1", B: "2" }, cpus: 1 });
  const differs = (input: unknown) => differingField(one, read(input));
  assertEquals(differs({ environment: { B: "3" }, cpus: 1, command: ["a"] }), undefined);
  assertEquals(differs({ command: ["a"] }), undefined, "a default is as good as its value");
  assertEquals(differs({ command: ["a", ""] }), "command");
  assertEquals(differs({ command: ["a"], name: "n" }), "name");
  assertEquals(differs({ command: ["a"], after: [3] }), "after");
});
