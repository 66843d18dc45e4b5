/** Who descends from a process, by real ones. */

import { assert, assertEquals } from "../assert.ts";
import { until } from "../e2e/home.ts";
import { descendantsOf } from "../../src/host/children.ts";
import { observe } from "../../src/host/proc.ts";

function identityOf(pid: number) {
  const seen = observe(pid);
  assert(seen.kind === "present");
  return { pid, startTicks: seen.startTicks };
}

async function below(script: string, count: number) {
  const child = new Deno.Command("sh", { args: ["-c", script], stdin: "piped" }).spawn();
  const top = identityOf(child.pid);
  try {
    return await until(`${count} descend from it`, () => {
      const found = descendantsOf(top);
      return found?.length === count && found;
    });
  } finally {
    for (const { pid } of descendantsOf(top) ?? []) Deno.kill(pid, "SIGKILL");
    child.kill("SIGKILL");
    await child.stdin.close().catch(() => {});
    await child.status;
    assertEquals(descendantsOf(top), undefined);
  }
}

Deno.test("children and theirs are found, each with its identity, and nobody else", async () => {
  const found = await below("sleep 60 & sh -c 'sleep 60 & sleep 60; :' & wait; :", 4);
  assertEquals(new Set(found.map(({ pid }) => pid)).size, 4);
  assert(!found.some(({ pid }) => pid === Deno.pid));
});

Deno.test({
  name: "those that another thread has forked are found too",
  ignore: !hasPython(),
  fn: async () => {
    const python = `import subprocess, threading, time
def forks(): subprocess.Popen(["sleep", "60"]); time.sleep(60)
threading.Thread(target=forks).start(); time.sleep(60)`;
    await below(`python3 -c '${python}' & wait; :`, 2);
  },
});

function hasPython(): boolean {
  return new Deno.Command("sh", { args: ["-c", "command -v python3"], stdout: "null" })
    .outputSync().success;
}

Deno.test("a long chain is found whole", async () => {
  const found = await below(
    "n=0; f() { n=$((n+1)); if [ $n -lt 300 ]; then (f); :; else sleep 60; :; fi; }; f; :",
    300,
  );
  assertEquals(found.length, 300);
});

Deno.test("of one that is another by now nobody descends", () => {
  const { pid, startTicks } = identityOf(Deno.pid);
  assertEquals(descendantsOf({ pid, startTicks: startTicks + 1 }), undefined);
});
