/** The prologue in real programs of this machine: what it changes for them, and that it changes no more. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { MARK, NOWHERE } from "../../src/called.ts";
import { WRONG_CLOCK } from "../../src/prologue/code.ts";
import { slotOf } from "../../src/prologue/imports.ts";
import { withPrologue } from "../../src/prologue/insert.ts";

/** As `deno compile` leaves it: something behind it, with its length in the last 8 bytes. */
function compiled(program: Uint8Array): Uint8Array<ArrayBuffer> {
  const bundle = new Uint8Array(100);
  new DataView(bundle.buffer).setBigUint64(92, 100n, true);
  return Uint8Array.from([...program, ...bundle]);
}

class Programs implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "holdfast-test-" });

  add(name: string): string {
    const path = `${this.directory}/${name}`;
    const program = compiled(Deno.readFileSync(`/bin/${name}`));
    Deno.writeFileSync(path, withPrologue(program), { mode: 0o755 });
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function output(program: string, args: string[], options: Deno.CommandOptions = {}): string {
  const { success, stdout, stderr } = new Deno.Command(program, { ...options, args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const IN_REMOVED = 'mkdir "$1" && cd "$1" && rmdir "$1" && shift && exec "$@"';

Deno.test("a removed working directory is left, and any other kept", () => {
  using programs = new Programs();
  const { directory } = programs;
  const pwd = programs.add("pwd");
  assert.equal(output(pwd, ["-P"], { cwd: directory }), `${Deno.realPathSync(directory)}\n`);
  assert.equal(output(pwd, ["-P"], { cwd: "/" }), "/\n");
  const gone = output("sh", ["-c", IN_REMOVED, "sh", `${directory}/gone`, pwd, "-P"]);
  assert.match(gone, new RegExp(`^${NOWHERE.replace("self", "\\d+")}\n$`));
});

Deno.test("a directory with a path longer than a page is kept", () => {
  using programs = new Programs();
  const pwd = programs.add("pwd");
  const script = `cd "$2"; i=0; while [ $i -lt 30 ]; do
    d=$(printf %200s x | tr ' ' y); mkdir $d && cd -P $d || exit; i=$((i+1)); done; "$1" -P; rm -rf "$2"/y*`;
  const path = output("bash", ["-c", script, "bash", pwd, programs.directory]);
  assert.ok(path.length > 4096, path);
});

Deno.test("words with a byte above 127 are marked, all others and the environment are as they were", () => {
  using programs = new Programs();
  const echo = programs.add("echo"), printenv = programs.add("printenv");
  const told = (...words: string[]) => output(echo, words).trimEnd();
  assert.equal(told("a", "", "b c", "\x7f", MARK), `a  b c \x7f ${MARK}`);
  assert.equal(told("caf\u00e9", "x", "\u{1f600}", "y\u0080"), `${MARK} x ${MARK} ${MARK}`);
  const env = { A: "\u00e9", B: "b" };
  assert.equal(output(printenv, ["A", "B"], { env, clearEnv: true }), "\u00e9\nb\n");
  const many = Array.from({ length: 10_000 }, (_, i) => i % 2 ? String(i) : `${i}\u00e9`);
  assert.deepEqual(told(...many).split(" "), many.map((word, i) => i % 2 ? word : MARK));
});

const FAKETIME = `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`;
const HAS_FAKETIME = existsSync(FAKETIME);
if (!HAS_FAKETIME) console.log("skipped: clocks that show no time of ours; install libfaketime");

Deno.test(
  "a clock before 1970 or after 9999 is told in one line, any other is left to the program",
  {
    ignore: !HAS_FAKETIME,
  },
  () => {
    using programs = new Programs();
    assert.ok(slotOf(Deno.readFileSync("/bin/date"), "clock_gettime"));
    assert.equal(slotOf(Deno.readFileSync("/bin/date"), "clock_get"), undefined);
    const date = programs.add("date");
    const at = (time: string) => {
      const env = { LD_PRELOAD: FAKETIME, FAKETIME: time, TZ: "UTC" };
      const { code, stdout, stderr } = new Deno.Command(date, { args: ["+%Y"], env }).outputSync();
      return [code, stdout, stderr].map((told) =>
        typeof told === "number" ? told : new TextDecoder().decode(told)
      );
    };
    for (const year of ["1970", "2026", "2200", "9999"]) {
      assert.deepEqual(at(`${year}-01-02 00:00:00`), [0, `${year}\n`, ""]);
    }
    for (const time of ["1969-12-31 23:59:59", "1902-01-01 00:00:00", "+9000y", "+400000y"]) {
      assert.deepEqual(at(time), [125, "", WRONG_CLOCK], time);
    }
  },
);

Deno.test("a program that it cannot be put into is refused with the reason", () => {
  const program = compiled(Deno.readFileSync("/bin/echo"));
  const refused = (change: (program: Uint8Array, view: DataView) => void) => {
    const altered = program.slice();
    change(altered, new DataView(altered.buffer));
    assert.throws(() => withPrologue(altered), Error);
  };
  refused((bytes) => bytes[0] = 0);
  refused((bytes) => bytes[4] = 1);
  refused((_, view) => view.setUint16(18, 8, true)); // MIPS
  refused((_, view) => {
    const [table, each, count] = [
      Number(view.getBigUint64(32, true)),
      56,
      view.getUint16(56, true),
    ];
    for (let i = 0; i < count; i++) {
      if (view.getUint32(table + i * each, true) === 4) view.setUint32(table + i * each, 0, true);
    }
  });
});
