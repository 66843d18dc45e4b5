import fc from "fast-check";
import { assert, assertEquals } from "../assert.ts";
import { chooseCpus, type CpuSet, freeCpus } from "../../src/supervisor/cpu_sets.ts";

const pin = fc.constantFrom("exclusive" as const, "shared" as const);
const ids = fc.uniqueArray(fc.nat(20), { minLength: 1 }).map((all) => all.sort((a, b) => a - b));
/** A start of a pinned job, or the end of one of those that run. */
const steps = fc.array(fc.record({ pin, count: fc.integer({ min: 1, max: 6 }), ends: fc.nat(3) }));

/** Plays starts and ends; `check` is told each choice and what was taken before it. */
function play(
  all: readonly number[],
  plan: readonly { pin: CpuSet["pin"]; count: number; ends: number }[],
  check: (
    chosen: number[] | undefined,
    want: CpuSet["pin"],
    count: number,
    taken: CpuSet[],
  ) => void,
): void {
  const taken: CpuSet[] = [];
  for (const { pin, count, ends } of plan) {
    if (ends === 0) taken.shift();
    const chosen = chooseCpus(pin, count, all, taken);
    check(chosen, pin, count, taken);
    if (chosen) taken.push({ pin, cpus: chosen });
  }
}

Deno.test("an exclusive set shares no CPU with any other set, whatever starts and ends", () => {
  fc.assert(fc.property(ids, steps, (all, plan) => {
    play(all, plan, (chosen, pin, _, taken) => {
      const others = taken.filter((set) => pin === "exclusive" || set.pin === "exclusive");
      const barred = new Set(others.flatMap(({ cpus }) => cpus));
      assert((chosen ?? []).every((id) => !barred.has(id)));
    });
  }));
});

Deno.test("a set is of as many CPUs of the node as were asked for, ascending, each once", () => {
  fc.assert(fc.property(ids, steps, (all, plan) => {
    play(all, plan, (chosen, _, count) => {
      if (!chosen) return;
      assertEquals(chosen.length, count);
      assert(chosen.every((id, at) => all.includes(id) && (at === 0 || id > chosen[at - 1]!)));
    });
  }));
});

Deno.test("a set can be had exactly when so many CPUs are told as free", () => {
  fc.assert(fc.property(ids, steps, (all, plan) => {
    play(all, plan, (chosen, pin, count, taken) => {
      assertEquals(chosen !== undefined, count <= freeCpus(pin, all, taken));
    });
  }));
});

Deno.test("a shared set is on the CPUs with the fewest jobs", () => {
  fc.assert(fc.property(ids, steps, (all, plan) => {
    play(all, plan, (chosen, pin, _, taken) => {
      if (!chosen || pin === "exclusive") return;
      const isTaken = (kind: string) => (id: number) =>
        taken.filter((set) => set.pin === kind && set.cpus.includes(id)).length;
      const others = all.filter((id) => !chosen.includes(id) && isTaken("exclusive")(id) === 0);
      const most = Math.max(...chosen.map(isTaken("shared")));
      assert(others.every((id) => isTaken("shared")(id) >= most));
    });
  }));
});

Deno.test("neighbours are preferred, and the lowest of them", () => {
  const held = (...cpus: number[]): CpuSet[] => [{ pin: "exclusive", cpus }];
  assertEquals(chooseCpus("exclusive", 2, [0, 1, 2, 3], []), [0, 1]);
  assertEquals(chooseCpus("exclusive", 2, [0, 1, 2, 3], held(1)), [2, 3]);
  assertEquals(chooseCpus("exclusive", 2, [0, 2, 4, 5], []), [4, 5]);
  assertEquals(chooseCpus("exclusive", 2, [0, 2, 4], held(2)), [0, 4]);
  assertEquals(chooseCpus("exclusive", 3, [0, 1, 2], held(2)), undefined);
  assertEquals(chooseCpus("shared", 1, [0, 1], [{ pin: "shared", cpus: [0] }]), [1]);
  assertEquals(chooseCpus("exclusive", 1, [0, 1], [{ pin: "shared", cpus: [0] }]), [1]);
});
