/**
 * Puts the prologue into a program that `deno compile` has made: an ELF file (elf(5)) with our bundle
 * behind it, whose length its last 8 bytes tell. The prologue goes between the two, is loaded as a
 * segment of its own, and becomes the entry. Used to build, and by nobody else. Pure.
 */

import { prologue } from "./code.ts";
import { slotOf } from "./imports.ts";

const PT_LOAD = 1, PT_NOTE = 4;
const EXECUTE = 1, READ = 4;
const ENTRY_AT = 24, MACHINE_AT = 18;

type Headers = readonly { readonly kind: number; readonly bytes: Uint8Array<ArrayBuffer> }[];

/** Throws an Error that says what is unusual about the program. */
export function withPrologue(program: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  if (view.getUint32(0) !== 0x7f454c46 || program[4] !== 2 || program[5] !== 1) {
    throw new Error("it is no ELF file of 64 bits, little-endian");
  }
  const bundleAt = program.length - number(program.length - 8);
  const table = number(32), each = view.getUint16(54, true), count = view.getUint16(56, true);
  const headers = Array.from({ length: count }, (_, i) => {
    const bytes = program.slice(table + i * each, table + (i + 1) * each);
    return { kind: view.getUint32(table + i * each, true), bytes };
  });
  const { align, endsAt } = extent(headers);
  const address = up(endsAt, align), place = up(bundleAt, align);
  const slot = slotOf(program, "clock_gettime");
  const code = prologue(
    view.getUint16(MACHINE_AT, true),
    number(ENTRY_AT) - address,
    slot && slot - address,
  );
  if (!code) throw new Error("there is no prologue for its machine");

  const made = new Uint8Array(place + code.length + program.length - bundleAt);
  made.set(program.subarray(0, bundleAt));
  made.set(code, place);
  made.set(program.subarray(bundleAt), place + code.length);
  const segment = loadable({ place, address, length: code.length, align });
  withSegment(headers, segment).forEach((bytes, i) => made.set(bytes, table + i * each));
  new DataView(made.buffer).setBigUint64(ENTRY_AT, BigInt(address), true);
  return made;
}

/** The greatest alignment of what is loaded, and the address behind all of it. */
function extent(headers: Headers): { align: number; endsAt: number } {
  const loads = headers.filter(({ kind }) => kind === PT_LOAD).map(({ bytes }) => {
    const view = new DataView(bytes.buffer);
    const [address, memory, align] = [16, 40, 48].map((at) => Number(view.getBigUint64(at, true)));
    return { align: align!, endsAt: address! + memory! };
  });
  return {
    align: Math.max(...loads.map(({ align }) => align)),
    endsAt: Math.max(...loads.map(({ endsAt }) => endsAt)),
  };
}

/** In the place of a note, which nothing needs to run, behind the other segments that are loaded. */
function withSegment(headers: Headers, segment: Uint8Array<ArrayBuffer>): Uint8Array[] {
  const note = headers.findIndex(({ kind }) => kind === PT_NOTE);
  if (note < 0) throw new Error("it has no note whose header could be used");
  const others = headers.toSpliced(note, 1);
  const last = others.findLastIndex(({ kind }) => kind === PT_LOAD);
  return others.toSpliced(last + 1, 0, { kind: PT_LOAD, bytes: segment })
    .map(({ bytes }) => bytes);
}

function loadable(
  { place, address, length, align }: Record<
    "place" | "address" | "length" | "align",
    number
  >,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(56));
  view.setUint32(0, PT_LOAD, true);
  view.setUint32(4, READ | EXECUTE, true);
  [place, address, address, length, length, align].forEach((value, i) =>
    view.setBigUint64(8 + 8 * i, BigInt(value), true)
  );
  return new Uint8Array(view.buffer);
}

function up(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}
