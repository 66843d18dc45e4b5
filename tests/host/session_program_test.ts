/** The program that makes sessions: executed, not looked at. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { libc } from "../../src/host/libc.ts";
import { FALLBACK, openSessionProgram, sessionProgram } from "../../src/host/session_program.ts";

/** From Debian's qemu-user-static, where somebody has installed it. */
const EMULATOR = "/usr/bin/qemu-aarch64-static";
/** Whether it leads its group and its session, and its words and environment. */
const TELL = `read -r stat </proc/self/stat; words="$0 $* $GREETING"; set -- $stat
echo "$(($1 == $5)) $(($1 == $6)) $words"`;

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync();
  #fd?: number;

  /** A path that executes it. */
  program(): string {
    this.#fd = openSessionProgram(this.directory);
    assert(this.#fd !== undefined);
    return `/proc/${Deno.pid}/fd/${this.#fd}`;
  }

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
    if (this.#fd !== undefined) libc.close(this.#fd);
    Deno.removeSync(this.directory, { recursive: true });
  }
}

for (const [arch, words] of [["native", []], ["aarch64", [EMULATOR]]] as [string, string[]][]) {
  Deno.test({
    name: `${arch}: the command has a session, its words and its environment`,
    ignore: !words.every(exists),
    fn: async () => {
      using place = new Place();
      const emulated = () => {
        const path = place.write("program", "");
        Deno.writeFileSync(path, sessionProgram(arch)!);
        return path;
      };
      const program = words.length > 0 ? emulated() : place.program();
      const told = await place.run(
        [...words, program],
        "/bin/sh",
        ["as-typed", "-c", TELL, "named", "-x", "a b"],
      );
      assertEquals(told, { code: 0, stdout: "1 1 named -x a b hello", stderr: "" });
      const failed = await place.run([...words, program], "/bin/sh", ["sh", "-c", "exit 42"]);
      assertEquals(failed.code, 42);
    },
  });
}

Deno.test("a script without #! is run by the shell, as a shell would", async () => {
  using place = new Place();
  const program = place.program();
  const script = place.write("script", 'echo "$1"; exit 3\n');
  assertEquals(await place.run([program], script, [script, "a b"]), {
    code: 3,
    stdout: "a b",
    stderr: "",
  });
});

Deno.test("what cannot be executed is told as a shell tells it", async () => {
  using place = new Place();
  const program = place.program();
  const script = place.write("script", "#!/absent/interpreter\n");
  const { code, stderr } = await place.run([program], script, [script]);
  assertEquals(code, 127);
  assertMatch(stderr, /script.*not found/);
});

Deno.test("it has no name by which it could be altered, nor what an earlier one had", () => {
  using place = new Place();
  place.write("exec-in-session", "#!/bin/true\n");
  place.program();
  assertEquals([...Deno.readDirSync(place.directory)], []);
});

Deno.test("there is none where it cannot be written", () => {
  using place = new Place();
  assertEquals(openSessionProgram(`${place.directory}/absent`), undefined);
  Deno.mkdirSync(`${place.directory}/exec-in-session/in-the-way`, { recursive: true });
  assertEquals(openSessionProgram(place.directory), undefined);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
