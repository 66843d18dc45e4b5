import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { asBefore, beyondNode, type NodeLimits, onNode } from "../../src/job/node_limits.ts";
import { differingField, type FullSpec, isInvalid, readSpec } from "../../src/job/spec.ts";

const NODE: NodeLimits = {
  defaults: {},
  maxima: {},
  cpuIds: [0, 1],
  leastNice: 0,
  canLimitProcesses: true,
};

function spec(input: object = {}): FullSpec {
  const read = readSpec({ command: ["true"], ...input });
  assert(!isInvalid(read), JSON.stringify(read));
  return read;
}

function refusal(input: object, node: Partial<NodeLimits>): string | undefined {
  const whole = { ...NODE, ...node };
  const invalid = beyondNode(onNode(spec(input), whole), whole);
  return invalid && `${invalid.field}: ${invalid.message}`;
}

const limits = fc.record({
  openFiles: fc.integer({ min: 16, max: 99 }),
  coreSize: fc.nat(99),
  nice: fc.integer({ min: 0, max: 19 }),
}, { requiredKeys: [] });

Deno.test("a job gets what it asks for, else the node's default, else its maximum", () => {
  fc.assert(fc.property(limits, limits, limits, (asked, defaults, maxima) => {
    const got = onNode(spec({ limits: asked }), { ...NODE, defaults, maxima }).limits ?? {};
    assertEquals({ ...got }, { ...maxima, ...defaults, ...asked });
  }));
  assertEquals(onNode(spec(), { ...NODE, pin: "shared" }).pin, "shared");
  assertEquals(onNode(spec({ pin: "exclusive" }), { ...NODE, pin: "shared" }).pin, "exclusive");
  assert(!("limits" in onNode(spec(), NODE)));
});

Deno.test("the same request is the same job, whatever the node's defaults were or are", () => {
  fc.assert(fc.property(limits, limits, (asked, defaults) => {
    const first = onNode(spec({ limits: asked }), { ...NODE, defaults, pin: "shared" });
    const again = asBefore(spec({ limits: asked }), first);
    assertEquals(differingField(first, again), undefined);
  }));
  const first = onNode(spec({ limits: { nice: 3 } }), NODE);
  assertEquals(differingField(first, asBefore(spec({ limits: { nice: 4 } }), first)), "limits");
  assertEquals(differingField(first, asBefore(spec({ pin: "shared" }), first)), "pin");
});

Deno.test("what is beyond the node is refused with both numbers", () => {
  const cases: [object, Partial<NodeLimits>, string | undefined][] = [
    [{ limits: { openFiles: 5000 } }, { maxima: { openFiles: 4096 } }, "5000.* at most 4096"],
    [{ limits: { openFiles: 4096 } }, { maxima: { openFiles: 4096 } }, undefined],
    [{ limits: { nice: 1 } }, { maxima: { nice: 5 } }, "nice is 1.* no less than 5"],
    [{ limits: { nice: -5 } }, {}, "nice is -5.* no less than 0"],
    [{ limits: { nice: 5 } }, { leastNice: undefined }, "nice\\(1\\)"],
    [{ limits: { processes: 9 } }, { canLimitProcesses: false }, "pids controller"],
    [{ cpus: 3, pin: "shared" }, {}, "pin: needs 3 .* has 2"],
    [{ cpus: 3 }, {}, undefined],
    [{ cpus: 3 }, { pin: "exclusive" }, "pin: needs 3 .* has 2"],
    [{ cpus: 3 }, { maxCpus: 2 }, "cpus: is 3, .* at most 2"],
    [{ memory: 3 }, { maxMemory: 2 }, "memory: is 3 bytes, .* at most 2"],
    [{ timeout: 3 }, { maxTimeout: 2 }, "timeout: is 3 s, .* at most 2"],
    [{ timeout: 0 }, { maxTimeout: 2 }, "timeout: is 0 \\(none\\), .* at most 2"],
  ];
  for (const [input, node, expected] of cases) {
    const told = refusal(input, node);
    const fits = expected === undefined ? told === undefined : new RegExp(expected).test(told!);
    assert(fits, `${JSON.stringify([input, node])}: ${told}`);
  }
});
