/** The program that makes sessions: executed, not looked at. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { FALLBACK, installSessionProgram, sessionProgram } from "../../src/host/session_program.ts";

/** From Debian's qemu-user-static, where somebody has installed it. */
const EMULATOR = "/usr/bin/qemu-aarch64-static";
/** Whether it leads its group and its session, and its words and environment. */
const TELL = `read -r stat </proc/self/stat; words="$0 $* $GREETING"; set -- $stat
echo "$(($1 == $5)) $(($1 == $6)) $words"`;

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync();

  async run(program: string[], path: string, words: string[]) {
    const [first, ...rest] = [...program, path, ...FALLBACK, ...words];
    const { code, stdout, stderr } = await new Deno.Command(first!, {
      args: rest,
      env: { GREETING: "hello" },
      cwd: this.directory,
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trimEnd();
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  write(name: string, text: string): string {
    const path = `${this.directory}/${name}`;
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, 0o755);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

for (const [arch, words] of [["native", []], ["aarch64", [EMULATOR]]] as [string, string[]][]) {
  Deno.test({
    name: `${arch}: the command has a session, its words and its environment`,
    ignore: !words.every(exists),
    fn: async () => {
      using place = new Place();
      const native = installSessionProgram(place.directory);
      assert(native);
      if (words.length > 0) Deno.writeFileSync(native, sessionProgram(arch)!);
      const told = await place.run(
        [...words, native],
        "/bin/sh",
        ["as-typed", "-c", TELL, "named", "-x", "a b"],
      );
      assertEquals(told, { code: 0, stdout: "1 1 named -x a b hello", stderr: "" });
      const failed = await place.run([...words, native], "/bin/sh", ["sh", "-c", "exit 42"]);
      assertEquals(failed.code, 42);
    },
  });
}

Deno.test("a script without #! is run by the shell, as a shell would", async () => {
  using place = new Place();
  const program = installSessionProgram(place.directory)!;
  const script = place.write("script", 'echo "$1"; exit 3\n');
  assertEquals(await place.run([program], script, [script, "a b"]), {
    code: 3,
    stdout: "a b",
    stderr: "",
  });
});

Deno.test("what cannot be executed is told as a shell tells it", async () => {
  using place = new Place();
  const program = installSessionProgram(place.directory)!;
  const script = place.write("script", "#!/absent/interpreter\n");
  const { code, stderr } = await place.run([program], script, [script]);
  assertEquals(code, 127);
  assertMatch(stderr, /script.*not found/);
});

Deno.test("one that has been damaged, or is being executed, is replaced", async () => {
  using place = new Place();
  const program = installSessionProgram(place.directory)!;
  Deno.writeTextFileSync(program, "damaged");
  assertEquals(installSessionProgram(place.directory), program);
  Deno.chmodSync(program, 0o600);
  assertEquals(installSessionProgram(place.directory), program);
  const { stdout } = await place.run([program], "/bin/echo", ["echo", "well"]);
  assertEquals(stdout, "well");
  assertEquals([...Deno.readDirSync(place.directory)].length, 1);
});

Deno.test("there is none where it cannot be written", () => {
  using place = new Place();
  assertEquals(installSessionProgram(`${place.directory}/absent`), undefined);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
