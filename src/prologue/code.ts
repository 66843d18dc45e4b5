/**
 * Machine code that runs before the runtime and keeps it from what it ends at (src/called.ts): it moves
 * away from a working directory that has been removed, and puts a mark in the place of each word with a
 * byte above 127. All else is left as the kernel made it (System V ABI of each machine).
 */

import { MARK, NOWHERE } from "../called.ts";

/** Where in the code the distance from its beginning to the runtime's own entry is, in 8 bytes. */
const ENTRY_AT = 0x78;
const NOWHERE_AT = 0x80, MARK_AT = 0x90;

/** By e_machine (elf.h). At its start the stack holds argc, argv and a NULL. */
const CODE: Record<number, string> = {
  // x86_64; rdx is the dynamic linker's and is kept.
  62: "52 4881ec00100000" + // push rdx; sub rsp, 4096
    "4889e7 be00100000 6a4f 58 0f05" + // getcwd(rsp, 4096)
    "83f8fe 7409" + // cmp eax, -ENOENT; je lost
    "85c0 7811" + // test eax, eax; js words
    "803f2f 740c" + // cmp byte [rdi], '/'; je words ("(unreachable)", getcwd(2))
    "488d3d56000000 6a50 58 0f05" + // lost: chdir(NOWHERE)
    "4881c400100000 488d742410" + // words: add rsp, 4096; lea rsi, [rsp + 16]
    "48ad 4885c0 7419" + // next: lodsq; test rax, rax; jz done
    "803800 74f4 7c05" + // letter: cmp byte [rax], 0; je next; jl mark
    "48ffc0 ebf4" + // inc rax; jmp letter
    "488d053b000000 488946f8 ebe0" + // mark: lea rax, [MARK]; mov [rsi - 8], rax; jmp next
    "5a 488d059dffffff 4803050e000000 ffe0", // done: pop rdx; lea rax, [start]; add rax, [entry]; jmp rax
  // aarch64; x0 is the dynamic linker's and is kept.
  183: "f30300aa ff0740d1" + // mov x19, x0; sub sp, sp, 4096
    "e0030091 010082d2 280280d2 010000d4" + // getcwd(sp, 4096)
    "1f0800b1 a0000054" + // cmn x0, ENOENT; b.eq lost
    "e000f8b7" + // tbnz x0, 63, words
    "e9034039 3fbd0071 80000054" + // ldrb w9, [sp]; cmp w9, '/'; b.eq words
    "80020010 280680d2 010000d4" + // lost: chdir(NOWHERE)
    "ff074091 e9230091" + // words: add sp, sp, 4096; add x9, sp, 8
    "2a8540f8 ea0000b4" + // next: ldr x10, [x9], 8; cbz x10, done
    "4b154038 abffff34 cbff3f36" + // letter: ldrb w11, [x10], 1; cbz w11, next; tbz w11, 7, letter
    "ca010010 2a811ff8 f9ffff17" + // adr x10, MARK; stur x10, [x9, -8]; b next
    "e00313aa d0fcff10 71000058" + // done: mov x0, x19; adr x16, start; ldr x17, entry
    "1002118b 00021fd6", // add x16, x16, x17; br x16
};

/** `distance`: from its beginning to the runtime's entry. Undefined for a machine that is not known. */
export function prologue(machine: number, distance: number): Uint8Array<ArrayBuffer> | undefined {
  const code = CODE[machine];
  if (code === undefined) return undefined;
  const bytes = new Uint8Array(MARK_AT + MARK.length + 1);
  bytes.set(code.replaceAll(" ", "").match(/../g)!.map((hex) => parseInt(hex, 16)));
  new DataView(bytes.buffer).setBigInt64(ENTRY_AT, BigInt(distance), true);
  bytes.set(new TextEncoder().encode(NOWHERE), NOWHERE_AT);
  bytes.set(new TextEncoder().encode(MARK), MARK_AT);
  return bytes;
}
