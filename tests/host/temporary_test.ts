import { assert, assertEquals, assertMatch } from "../assert.ts";
import { inTemporary, NoTemporary } from "../../src/host/temporary.ts";
import { until } from "../e2e/home.ts";

const MODULE = new URL("../../src/host/temporary.ts", import.meta.url).href;

async function withBase(body: (base: string, apart: string) => Promise<void>): Promise<void> {
  const base = Deno.makeTempDirSync(), apart = Deno.makeTempDirSync();
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", base);
  try {
    await body(base, apart);
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
    for (const path of [base, apart]) Deno.removeSync(path, { recursive: true });
  }
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

Deno.test("a temporary directory is its user's alone, and is removed by return and by failure", async () => {
  await withBase(async (base, apart) => {
    const result = await inTemporary(apart, (directory) => {
      assertEquals(Deno.statSync(directory).mode! & 0o777, 0o700);
      Deno.mkdirSync(`${directory}/a/b`, { recursive: true });
      return Promise.resolve(names(base).length);
    });
    assertEquals([result, names(base)], [1, []]);
    const failed = inTemporary(apart, () => Promise.reject(new Error("no")));
    assertEquals(await failed.catch((error) => error.message), "no");
    assertEquals(names(base), []);
  });
});

Deno.test("no temporary directory is made where nothing may be changed", async () => {
  await withBase(async (base) => {
    Deno.symlinkSync(base, `${base}/link`);
    for (const apart of [base, `${base}/link`]) {
      const refused = await inTemporary(apart, () => Promise.resolve()).catch((error) => error);
      assert(refused instanceof NoTemporary, String(refused));
      assertMatch(refused.message, /which is not to be changed; name another directory in TMPDIR/);
    }
    assertEquals(names(base), ["link"]);
  });
});

Deno.test("a signal that comes while nothing can be told is acted on, and removes the directory", async () => {
  await withBase(async (base, apart) => {
    const script = `
      const { inTemporary } = await import("${MODULE}");
      await inTemporary("${apart}", async (directory) => {
        Deno.writeTextFileSync(directory + "/busy", "");
        const wait = new Int32Array(new SharedArrayBuffer(4));
        for (let i = 0; i < 2000; i++) {
          try { if (Deno.statSync("${apart}/go")) break; } catch { Atomics.wait(wait, 0, 0, 5); }
        }
      });
      console.log("it went on");`;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", script],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      await until(
        "it is busy",
        () => names(base).some((name) => names(`${base}/${name}`).length > 0),
      );
      child.kill(signal);
      Deno.writeTextFileSync(`${apart}/go`, "");
      const { signal: ended, stdout } = await child.output();
      assertEquals([ended, new TextDecoder().decode(stdout), names(base)], [signal, "", []]);
      Deno.removeSync(`${apart}/go`);
    }
  });
});
