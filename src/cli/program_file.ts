/**
 * What the first bytes of a program's file say of what it takes to execute it (execve(2), elf(5)): the
 * interpreter of a script, the loader and the machine of an ELF file. Pure.
 */

/** Linux looks at so many bytes for the `#!` line (BINPRM_BUF_SIZE, since 5.1). */
export const HEAD_BYTES = 256;

export interface Script {
  readonly interpreter: string;
  /** All behind it is one word. */
  readonly argument?: string;
}

/** Of a script that begins with `#!`; undefined for what a shell executes, or no script. */
export function scriptOf(head: Uint8Array): Script | undefined {
  const text = latin1(head.subarray(0, HEAD_BYTES));
  if (!text.startsWith("#!")) return undefined;
  const end = text.indexOf("\n");
  const line = end < 0 ? text : text.slice(0, end);
  const [, interpreter, argument] =
    /^#![ \t]*([^ \t\0]+)[ \t]*([^\0]*?)[ \t]*(?:\0|$)/.exec(line) ?? [];
  if (interpreter === undefined) return undefined;
  // What is cut off is not known.
  if (end < 0 && head.length >= HEAD_BYTES) return undefined;
  return { interpreter: utf8(interpreter), argument: argument ? utf8(argument) : undefined };
}

/**
 * The command that env(1) looks for in the PATH when a script names it as its interpreter; undefined
 * where that takes more than a look.
 */
export function commandOfEnv({ interpreter, argument = "" }: Script): string | undefined {
  if (!/(^|\/)env$/.test(interpreter)) return undefined;
  if (!argument.startsWith("-")) return argument.includes("=") ? undefined : argument || undefined;
  const [, words] = /^-S[ \t]*([^"'\\$#]+)$/.exec(argument) ?? [];
  const first = words?.split(/[ \t]+/).find((word) => !word.includes("="));
  return first?.startsWith("-") ? undefined : first;
}

export interface Elf {
  readonly machine: number;
  /** Where in the file the path of its loader is; undefined for a static program. */
  readonly loader?: { readonly at: number; readonly bytes: number };
}

const ELF = "\x7fELF";
const PT_INTERP = 3;
const LONGEST_PATH = 4096;

interface Layout {
  readonly headers: number;
  readonly headerBytes: number;
  readonly count: number;
  readonly offset: number;
  readonly length: number;
}

/** Of 32 and of 64 bits: where the fields of the file's and of a segment's header are. */
const LAYOUTS: Record<number, Layout> = {
  1: { headers: 28, headerBytes: 42, count: 44, offset: 4, length: 16 },
  2: { headers: 32, headerBytes: 54, count: 56, offset: 8, length: 32 },
};

/** Bytes of a file, fewer at its end. */
export type ReadAt = (at: number, bytes: number) => Uint8Array;

/** Undefined for what is no ELF file, or a broken one. */
export function elfOf(read: ReadAt): Elf | undefined {
  const head = read(0, 64);
  const layout = LAYOUTS[head[4] ?? 0];
  if (latin1(head.subarray(0, 4)) !== ELF || head.length < 64 || !layout) return undefined;
  const isLittle = head[5] === 1;
  const number = (bytes: Uint8Array, at: number, wide: boolean) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return wide ? Number(view.getBigUint64(at, isLittle)) : view.getUint32(at, isLittle);
  };
  const short = (at: number) => new DataView(head.buffer, head.byteOffset).getUint16(at, isLittle);
  const isWide = head[4] === 2;
  const [each, count] = [short(layout.headerBytes), short(layout.count)];
  const table = read(number(head, layout.headers, isWide), each * count);
  const machine = short(18);
  for (let at = 0; at + Math.max(each, 32) <= table.length; at += each || table.length) {
    if (number(table, at, false) !== PT_INTERP) continue;
    const segment = table.subarray(at, at + each);
    const [from, bytes] = [
      number(segment, layout.offset, isWide),
      number(segment, layout.length, isWide),
    ];
    return bytes <= LONGEST_PATH ? { machine, loader: { at: from, bytes } } : undefined;
  }
  return { machine };
}

/** Names of e_machine (elf.h) that a person knows. */
const MACHINES: Record<number, string> = {
  3: "i386",
  8: "mips",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
  258: "loongarch",
};

export function machineText(machine: number): string {
  return MACHINES[machine] ?? `machine ${machine}`;
}

/** Whether a machine of this architecture may execute programs for that one: its own, or of 32 bits. */
export function executes(arch: string, machine: number): boolean {
  const own: Record<string, readonly number[]> = { x86_64: [62, 3], aarch64: [183, 40] };
  return own[arch]?.includes(machine) ?? true;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Of text that was read byte by byte. */
function utf8(text: string): string {
  return new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
}
