import assert from "node:assert/strict";
import fc from "fast-check";
import {
  commandOfEnv,
  type Elf,
  elfOf,
  executes,
  HEAD_BYTES,
  machineText,
  scriptOf,
} from "../../src/cli/program_file.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function elfIn(file: Uint8Array): Elf | undefined {
  return elfOf((at, length) => file.slice(at, at + length));
}

Deno.test("a script names its interpreter and one argument, as the kernel reads the first line", () => {
  const cases: [string, string | undefined, string?][] = [
    ["#!/bin/sh\n", "/bin/sh"],
    ["#! \t/bin/sh \t\necho", "/bin/sh"],
    ["#!/bin/sh -e -u \n", "/bin/sh", "-e -u"],
    ["#!/usr/bin/env python3\n", "/usr/bin/env", "python3"],
    ["#!/bin/sh\r\n", "/bin/sh\r"],
    ["#!/bin/sh", "/bin/sh"],
    ["#!/opt/caf\u00e9/x\n", "/opt/caf\u00e9/x"],
    ["#!\n/bin/sh", undefined],
    ["#!", undefined],
    ["echo\n#!/bin/sh", undefined],
    ["", undefined],
  ];
  for (const [text, interpreter, argument] of cases) {
    const script = scriptOf(bytes(text));
    assert.deepEqual([script?.interpreter, script?.argument], [interpreter, argument], text);
  }
});

Deno.test("of a first line that is longer than the kernel reads nothing is said", () => {
  const line = `#!/${"x".repeat(HEAD_BYTES)}\n`;
  assert.equal(scriptOf(bytes(line).subarray(0, HEAD_BYTES)), undefined);
  const longest = `#!/${"x".repeat(HEAD_BYTES - 4)}\n`;
  assert.equal(
    scriptOf(bytes(longest).subarray(0, HEAD_BYTES))?.interpreter.length,
    HEAD_BYTES - 3,
  );
});

Deno.test("env names the command that it looks for, where that is all it is asked", () => {
  const cases: [string, string | undefined, string | undefined][] = [
    ["/usr/bin/env", "python3", "python3"],
    ["env", "python3", "python3"],
    ["/usr/bin/env", "python3 -u", "python3 -u"],
    ["/usr/bin/env", "-S python3 -u", "python3"],
    ["/usr/bin/env", "-SA=1 python3", "python3"],
    ["/usr/bin/env", "-S -i python3", undefined],
    ["/usr/bin/env", "-S 'python 3'", undefined],
    ["/usr/bin/env", "-i", undefined],
    ["/usr/bin/env", "A=1", undefined],
    ["/usr/bin/env", undefined, undefined],
    ["/bin/sh", "python3", undefined],
    ["/opt/myenv", "python3", undefined],
  ];
  for (const [interpreter, argument, command] of cases) {
    assert.equal(commandOfEnv({ interpreter, argument }), command, `${interpreter} ${argument}`);
  }
});

/** A file with a note and, if there is one, a loader. */
function elf(machine: number, loader?: string, { wide = true, little = true } = {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(512));
  const file = new Uint8Array(view.buffer);
  const number = (at: number, value: number) =>
    wide ? view.setBigUint64(at, BigInt(value), little) : view.setUint32(at, value, little);
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1]);
  view.setUint16(18, machine, little);
  const [table, each] = wide ? [64, 56] : [52, 32];
  number(wide ? 32 : 28, table);
  view.setUint16(wide ? 54 : 42, each, little);
  view.setUint16(wide ? 56 : 44, loader === undefined ? 1 : 2, little);
  view.setUint32(table, 4, little); // PT_NOTE
  if (loader === undefined) return file;
  view.setUint32(table + each, 3, little); // PT_INTERP
  number(table + each + (wide ? 8 : 4), 300);
  number(table + each + (wide ? 32 : 16), loader.length + 1);
  file.set(bytes(loader), 300);
  return file;
}

Deno.test("an ELF file names its machine and its loader, of 32 and 64 bits, of either byte order", () => {
  const loader = "/lib/ld-musl-x86_64.so.1";
  for (const wide of [true, false]) {
    for (const little of [true, false]) {
      const found = elfIn(elf(62, loader, { wide, little }));
      assert.deepEqual(found, { machine: 62, loader: { at: 300, bytes: loader.length + 1 } });
      assert.deepEqual(elfIn(elf(62, undefined, { wide, little })), { machine: 62 });
    }
  }
  const own = elfOf((at, length) => {
    using file = Deno.openSync(Deno.execPath());
    file.seekSync(at, Deno.SeekMode.Start);
    const buffer = new Uint8Array(length);
    return buffer.subarray(0, file.readSync(buffer) ?? 0);
  })!;
  assert.ok(executes(Deno.build.arch, own.machine));
  assert.ok(own.loader!.bytes > 0);
});

Deno.test("a machine executes its own programs and those of 32 bits", () => {
  assert.deepEqual([62, 3, 183].map((machine) => executes("x86_64", machine)), [true, true, false]);
  assert.deepEqual([183, 40, 62].map((machine) => executes("aarch64", machine)), [
    true,
    true,
    false,
  ]);
  assert.deepEqual([machineText(183), machineText(999)], ["aarch64", "machine 999"]);
});

Deno.test("whatever a file holds, it is read without failing", () => {
  const anything = fc.uint8Array({ maxLength: 600 });
  const prefix = fc.constantFrom("", "#!", "#!/usr/bin/env ", "\x7fELF\x01\x01", "\x7fELF\x02\x01");
  fc.assert(fc.property(prefix, anything, (start, rest) => {
    const file = Uint8Array.from([...bytes(start), ...rest]);
    const script = scriptOf(file.subarray(0, HEAD_BYTES));
    if (script) commandOfEnv(script);
    elfIn(file);
  }));
  // A sound file cut short anywhere, and one with any byte altered.
  const sound = elf(62, "/lib/ld.so");
  fc.assert(fc.property(fc.nat(sound.length), (length) => void elfIn(sound.subarray(0, length))));
  fc.assert(fc.property(fc.nat(sound.length - 1), fc.nat(255), (at, value) => {
    const altered = sound.slice();
    altered[at] = value;
    elfIn(altered);
  }));
});
