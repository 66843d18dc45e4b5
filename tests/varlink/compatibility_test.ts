/** The interface grows and takes nothing back: what was written against the first one goes on to work. */

import { assert } from "../assert.ts";
import INTERFACE_DESCRIPTION from "../../src/varlink/io.holdfast.varlink" with { type: "text" };

/** What a member takes and gives, by the name of the field; an enum's values have no type. */
type Fields = Map<string, string | undefined>;

function membersOf(text: string): Map<string, Fields> {
  const lines = text.replace(/^#.*$/gm, "").replace(/\s+/g, " ");
  const members = new Map<string, Fields>();
  const pattern = /(type|method|error) (\w+) ?\(([^)]*)\)(?: -> \(([^)]*)\))?/g;
  for (const [, kind, name, fields, reply] of lines.matchAll(pattern)) {
    members.set(`${kind} ${name}`, fieldsOf(fields!));
    if (kind === "method") members.set(`reply of ${name}`, fieldsOf(reply!));
  }
  return members;
}

function fieldsOf(text: string): Fields {
  const fields = text.split(",").map((field) => field.trim()).filter((field) => field !== "");
  return new Map(fields.map((field) => {
    const [name, type] = field.split(/:\s*/) as [string, string | undefined];
    return [name, type];
  }));
}

const FIRST = membersOf(
  Deno.readTextFileSync(new URL("./first.varlink", import.meta.url)),
);

Deno.test("every type, method and error of the first interface is there as it was", () => {
  assert(FIRST.size > 40, `${FIRST.size} members were read`);
  const now = membersOf(INTERFACE_DESCRIPTION);
  for (const [name, fields] of FIRST) {
    for (const [field, type] of fields) {
      const found = now.get(name)?.get(field);
      // What a method takes may be left out since; what it gives may not.
      const isSame = found === type || (name.startsWith("method ") && found === `?${type}`);
      assert(isSame, `${name}: ${field} was ${type}, is ${found}`);
      assert(now.get(name)?.has(field), `${name} has lost ${field}`);
    }
  }
});

Deno.test("whatever is new in it may be left out", () => {
  for (const [name, fields] of membersOf(INTERFACE_DESCRIPTION)) {
    const before = FIRST.get(name);
    if (!before) continue;
    for (const [field, type] of fields) {
      assert(before.has(field) || type?.startsWith("?"), `${name} has a new ${field}: ${type}`);
    }
  }
});
