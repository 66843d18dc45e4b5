/**
 * Machine code that runs before the runtime and keeps it from what it ends at (src/called.ts): it moves
 * away from a working directory that has been removed, puts a mark in the place of each word with a
 * byte above 127, and says in one line that a clock shows no time of ours. All else is left as the
 * kernel made it (System V ABI of each machine).
 */

import { MARK, NOWHERE } from "../called.ts";

/**
 * What a clock must show, s since 1970: RFC 3339 ends with the year 9999, and the runtime ends with a
 * backtrace before 1970.
 */
const LAST_S = 253_402_300_799n;
/** The exit code is 125: run and wait must not seem to exit as the job did. */
export const WRONG_CLOCK =
  "holdfast: the clock shows a time before 1970 or after 9999; set it, as with: date -s '2026-11-24 18:00'\n";

/**
 * Behind the code: the distance from its beginning to the runtime's own entry, and to where the address
 * of clock_gettime(3) is, 0 if nowhere; the last second; the length of the text.
 */
const ENTRY_AT = 0xd0, SLOT_AT = 0xd8, LAST_AT = 0xe0, LENGTH_AT = 0xe8;
const NOWHERE_AT = 0xf0, MARK_AT = 0x100, TEXT_AT = 0x108;

/** By e_machine (elf.h). At its start the stack holds argc, argv and a NULL. */
const CODE: Record<number, string> = {
  // x86_64; rdx is the dynamic linker's and is kept.
  62: "52 4881ec00100000" + // push rdx; sub rsp, 4096
    "4889e7 be00100000 6a4f 58 0f05" + // getcwd(rsp, 4096)
    "83f8fe 7409" + // cmp eax, -ENOENT; je lost
    "85c0 7811" + // test eax, eax; js words
    "803f2f 740c" + // cmp byte [rdi], '/'; je words ("(unreachable)", getcwd(2))
    "488d3dc6000000 6a50 58 0f05" + // lost: chdir(NOWHERE)
    "4881c400100000 488d742410" + // words: add rsp, 4096; lea rsi, [rsp + 16]
    "48ad 4885c0 7419" + // next: lodsq; test rax, rax; jz clock
    "803800 74f4 7c05" + // letter: cmp byte [rax], 0; je next; jl mark
    "48ffc0 ebf4" + // inc rax; jmp letter
    "488d05ab000000 488946f8 ebe0" + // mark: lea rax, [MARK]; mov [rsi - 8], rax; jmp next
    "488d1d9effffff" + // clock: lea rbx, [start]
    "488b0d6f000000 e317" + // mov rcx, [slot]; jrcxz go
    "50 50 50 31ff 4889e6 ff140b" + // push rax three times (0); clock_gettime(CLOCK_REALTIME, rsp)
    "58 59 59" + // pop rax; pop rcx; pop rcx
    "483b0560000000 770a" + // cmp rax, [last]; ja wrong
    "5a 48031d46000000 ffe3" + // go: pop rdx; add rbx, [entry]; jmp rbx
    "6a02 5f 488d3572000000 8b154c000000 6a01 58 0f05" + // wrong: write(2, text, length)
    "6a7d 5f b8e7000000 0f05", // exit_group(125)
  // aarch64; x0 is the dynamic linker's and is kept.
  183: "f30300aa ff0740d1" + // mov x19, x0; sub sp, sp, 4096
    "e0030091 010082d2 280280d2 010000d4" + // getcwd(sp, 4096)
    "1f080031 a0000054" + // cmn w0, ENOENT; b.eq lost
    "e000f8b7" + // tbnz x0, 63, words
    "e9034039 3fbd0071 80000054" + // ldrb w9, [sp]; cmp w9, '/'; b.eq words
    "00060010 280680d2 010000d4" + // lost: chdir(NOWHERE)
    "ff074091 e9230091" + // words: add sp, sp, 4096; add x9, sp, 8
    "2a8540f8 ea0000b4" + // next: ldr x10, [x9], 8; cbz x10, clock
    "4b154038 abffff34 cbff3f36" + // letter: ldrb w11, [x10], 1; cbz w11, next; tbz w11, 7, letter
    "4a050010 2a811ff8 f9ffff17" + // adr x10, MARK; stur x10, [x9, -8]; b next
    "f4fcff10 8a030058 4a0100b4" + // clock: adr x20, start; ldr x10, slot; cbz x10, go
    "8a6a6af8 ff7fbfa9" + // ldr x10, [x20, x10]; stp xzr, xzr, [sp, -16]!
    "000080d2 e1030091 40013fd6" + // clock_gettime(CLOCK_REALTIME, sp)
    "ea2fc1a8 c9020058 5f0109eb a8000054" + // ldp x10, x11, [sp], 16; ldr x9, last; cmp x10, x9; b.hi wrong
    "e00313aa d1010058 9002118b 00021fd6" + // go: mov x0, x19; ldr x17, entry; add x16, x20, x17; br x16
    "400080d2 01030010 e2010058 080880d2 010000d4" + // wrong: write(2, text, length)
    "a00f80d2 c80b80d2 010000d4", // exit_group(125)
};

/**
 * `distance`: from its beginning to the runtime's entry; `slot`: to where the address of clock_gettime
 * is, if it is anywhere. Undefined for a machine that is not known.
 */
export function prologue(
  machine: number,
  distance: number,
  slot: number | undefined,
): Uint8Array<ArrayBuffer> | undefined {
  const code = CODE[machine];
  if (code === undefined) return undefined;
  const bytes = new Uint8Array(TEXT_AT + WRONG_CLOCK.length);
  bytes.set(code.replaceAll(" ", "").match(/../g)!.map((hex) => parseInt(hex, 16)));
  const view = new DataView(bytes.buffer);
  view.setBigInt64(ENTRY_AT, BigInt(distance), true);
  view.setBigInt64(SLOT_AT, BigInt(slot ?? 0), true);
  view.setBigInt64(LAST_AT, LAST_S, true);
  view.setBigInt64(LENGTH_AT, BigInt(WRONG_CLOCK.length), true);
  const encoder = new TextEncoder();
  bytes.set(encoder.encode(NOWHERE), NOWHERE_AT);
  bytes.set(encoder.encode(MARK), MARK_AT);
  bytes.set(encoder.encode(WRONG_CLOCK), TEXT_AT);
  return bytes;
}
