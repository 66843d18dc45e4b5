/**
 * A program of our own that makes a session and executes a command in it, as setsid(1) does, but static
 * and nothing else: it is there in a tenth of the time that a program linked to the C library takes,
 * which was a seventh of all that a short job cost.
 *
 * It executes its first argument, and of its words those after FALLBACK. What the kernel refuses (a
 * script without #!, one whose interpreter is missing) goes to FALLBACK, which runs it or says why not.
 */

import { runToEnd } from "./posix_spawn.ts";

/** Stands between the path of the command and its words. */
export const FALLBACK = ["/bin/sh", "-c", 'exec "$0" "$@"'] as const;

const NAME = "exec-in-session";
/** Exit status of the trial, as a wait status. */
const TRIAL = 7;

/** At its start the stack holds argc, argv and, after a NULL, the environment (System V ABI). */
const CODE: Record<string, { readonly machine: number; readonly text: string }> = {
  x86_64: {
    machine: 62,
    text: "6a70 58 0f05" + // setsid()
      "488b0c24 488d54cc10" + // rdx = argv + argc + 1
      "488b7c2410 488d742430 6a3b 58 0f05" + // execve(argv[1], argv + 5, rdx)
      "488b7c2418 488d742418 6a3b 58 0f05" + // execve(argv[2], argv + 2, rdx)
      "6a7f 5f 6a3c 58 0f05", // _exit(127)
  },
  aarch64: {
    machine: 183,
    text: "a81380d2 010000d4" + // setsid()
      "e90340f9 ea230091 420d098b 42200091" + // x2 = argv + argc + 1
      "e00b40f9 e1c30091 a81b80d2 010000d4" + // execve(argv[1], argv + 5, x2)
      "e00f40f9 e1630091 010000d4" + // execve(argv[2], argv + 2, x2)
      "e00f80d2 a80b80d2 010000d4", // _exit(127)
  },
};

const HEADER_BYTES = 64, SEGMENT_BYTES = 56;
const CODE_AT = HEADER_BYTES + 2 * SEGMENT_BYTES;
const ADDRESS = 0x400000, ALIGNMENT = 0x10000;
const ET_EXEC = 2, PT_LOAD = 1, PT_GNU_STACK = 0x6474e551;
const EXECUTE = 1, WRITE = 2, READ = 4;

/**
 * Writes it into the directory, unless it is there. Returns its path; undefined where it cannot be
 * executed, as on a disk that is mounted noexec, full, or of another kind of machine.
 */
export function installSessionProgram(directory: string): string | undefined {
  const program = sessionProgram(Deno.build.arch);
  const path = `${directory}/${NAME}`;
  try {
    if (!program) return undefined;
    if (!holds(path, program)) {
      // A program that is being executed cannot be written to.
      Deno.writeFileSync(`${path}.new`, program, { mode: 0o700 });
      Deno.renameSync(`${path}.new`, path);
    }
    const status = runToEnd(path, [NAME, "/bin/sh", ...FALLBACK, "sh", "-c", `exit ${TRIAL}`]);
    return status === TRIAL << 8 ? path : undefined;
  } catch {
    return undefined;
  }
}

/** An executable file (elf(5)); undefined for a machine whose code is not known. */
export function sessionProgram(arch: string): Uint8Array<ArrayBuffer> | undefined {
  const code = CODE[arch];
  if (!code) return undefined;
  const text = code.text.replaceAll(" ", "").match(/../g)!.map((hex) => parseInt(hex, 16));
  const length = CODE_AT + text.length;
  const bytes = new Uint8Array(length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF of 64 bits, little-endian
  bytes.set(text, CODE_AT);
  const [load, stack] = [HEADER_BYTES, HEADER_BYTES + SEGMENT_BYTES];
  // Without a segment for its stack an older kernel makes everything executable.
  const fields = [
    ...[[16, ET_EXEC], [18, code.machine], [20, 1], [24, ADDRESS + CODE_AT], [32, HEADER_BYTES]],
    ...[[52, HEADER_BYTES], [54, SEGMENT_BYTES], [56, 2]],
    ...[[load, PT_LOAD], [load + 4, READ | EXECUTE], [load + 16, ADDRESS], [load + 24, ADDRESS]],
    ...[[load + 32, length], [load + 40, length], [load + 48, ALIGNMENT]],
    ...[[stack, PT_GNU_STACK], [stack + 4, READ | WRITE]],
  ] as [number, number][];
  for (const [at, value] of fields) {
    for (let byte = 0; byte < 4 && value >> (8 * byte); byte++) {
      bytes[at + byte] = value >> (8 * byte);
    }
  }
  return bytes;
}

function holds(path: string, program: Uint8Array): boolean {
  try {
    const { mode, size } = Deno.statSync(path);
    if (size !== program.length || !(mode! & 0o100)) return false;
    return Deno.readFileSync(path).every((byte, at) => byte === program[at]);
  } catch {
    return false;
  }
}
