/**
 * Where a program that is linked dynamically finds what it takes from libraries: the dynamic linker
 * writes the address of each there before the program begins (elf(5)). Pure.
 */

const PT_LOAD = 1, PT_DYNAMIC = 2;
const DT_PLTRELSZ = 2, DT_STRTAB = 5, DT_SYMTAB = 6, DT_RELA = 7, DT_RELASZ = 8, DT_JMPREL = 23;
const HEADER_BYTES = 56, SYMBOL_BYTES = 24, RELOCATION_BYTES = 24;
/** R_X86_64_GLOB_DAT and R_X86_64_JUMP_SLOT; R_AARCH64_GLOB_DAT and R_AARCH64_JUMP_SLOT. */
const ADDRESSES: Record<number, readonly number[]> = { 62: [6, 7], 183: [1025, 1026] };
const MACHINE_AT = 18;

/** The address at which the address of a function is; undefined where the program does not take it. */
export function slotOf(program: Uint8Array<ArrayBuffer>, name: string): number | undefined {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const table = number(32), count = view.getUint16(56, true);
  const headers = Array.from({ length: count }, (_, i) => table + i * HEADER_BYTES);
  const ofKind = (kind: number) => headers.filter((at) => view.getUint32(at, true) === kind);
  /** Where in the file an address is. */
  const place = (address: number) => {
    const at = ofKind(PT_LOAD).find((at) =>
      number(at + 16) <= address && address < number(at + 16) + number(at + 32)
    );
    return at === undefined ? NaN : address - number(at + 16) + number(at + 8);
  };
  const [dynamic] = ofKind(PT_DYNAMIC);
  if (dynamic === undefined) return undefined;
  const tags = new Map<number, number>();
  const end = number(dynamic + 8) + number(dynamic + 32);
  for (let at = number(dynamic + 8); at < end; at += 16) tags.set(number(at), number(at + 8));

  const [strings, symbols] = [DT_STRTAB, DT_SYMTAB].map((tag) => place(tags.get(tag) ?? -1));
  const wanted = new TextEncoder().encode(`${name}\0`);
  const isWanted = (symbol: number) => {
    const at = strings! + view.getUint32(symbols! + symbol * SYMBOL_BYTES, true);
    return wanted.every((byte, i) => program[at + i] === byte);
  };
  const kinds = ADDRESSES[view.getUint16(MACHINE_AT, true)] ?? [];
  for (const [from, bytes] of [[DT_RELA, DT_RELASZ], [DT_JMPREL, DT_PLTRELSZ]] as const) {
    const first = place(tags.get(from) ?? -1), length = tags.get(bytes) ?? 0;
    for (let at = first; at < first + length; at += RELOCATION_BYTES) {
      const isAddress = kinds.includes(view.getUint32(at + 8, true));
      if (isAddress && isWanted(view.getUint32(at + 12, true))) return number(at);
    }
  }
  return undefined;
}
