/**
 * A program of our own that makes a session and executes a command in it, as setsid(1) does, but static
 * and nothing else: it is there in a tenth of the time that a program linked to the C library takes,
 * which was a seventh of all that a short job cost.
 *
 * It executes its first argument, and of its words those after FALLBACK. What the kernel refuses (a
 * script without #!, one whose interpreter is missing) goes to FALLBACK, which runs it or says why not.
 *
 * It has no name, but is handed to each shim as an open descriptor: a file that somebody could empty or
 * replace meanwhile would have a shell take its place, and end every job with success.
 */

import { cString, libc, O_CLOEXEC } from "./libc.ts";
import { runToEnd } from "./posix_spawn.ts";

/** The descriptor that it is executed by, and that it closes. */
export const PROGRAM_FD = 3;

/** Stands between the path of the command and its words. */
export const FALLBACK = ["/bin/sh", "-c", 'exec "$0" "$@"'] as const;

/** In the state directory, for as long as it is written. */
const NAME = "exec-in-session";
/** Exit status of the trial, as a wait status. */
const TRIAL = 7;

/** At its start the stack holds argc, argv and, after a NULL, the environment (System V ABI). */
const CODE: Record<string, { readonly machine: number; readonly text: string }> = {
  x86_64: {
    machine: 62,
    text: "6a03 5f 6a03 58 0f05" + // close(PROGRAM_FD)
      "6a70 58 0f05" + // setsid()
      "488b0c24 488d54cc10" + // rdx = argv + argc + 1
      "488b7c2410 488d742430 6a3b 58 0f05" + // execve(argv[1], argv + 5, rdx)
      "488b7c2418 488d742418 6a3b 58 0f05" + // execve(argv[2], argv + 2, rdx)
      "6a7f 5f 6a3c 58 0f05", // _exit(127)
  },
  aarch64: {
    machine: 183,
    text: "600080d2 280780d2 010000d4" + // close(PROGRAM_FD)
      "a81380d2 010000d4" + // setsid()
      "e90340f9 ea230091 420d098b 42200091" + // x2 = argv + argc + 1
      "e00b40f9 e1c30091 a81b80d2 010000d4" + // execve(argv[1], argv + 5, x2)
      "e00f40f9 e1630091 010000d4" + // execve(argv[2], argv + 2, x2)
      "e00f80d2 a80b80d2 010000d4", // _exit(127)
  },
};

const HEADER_BYTES = 64, SEGMENT_BYTES = 56;
const CODE_AT = HEADER_BYTES + 2 * SEGMENT_BYTES;
const ADDRESS = 0x400000, ALIGNMENT = 0x10000;
const O_RDONLY = 0;
const ET_EXEC = 2, PT_LOAD = 1, PT_GNU_STACK = 0x6474e551;
const EXECUTE = 1, WRITE = 2, READ = 4;

/**
 * Makes it on the file system of the directory. Returns a descriptor, which closes on exec; undefined
 * where it cannot be executed, as on a disk that is mounted noexec, full, or of another kind of machine.
 */
export function openSessionProgram(directory: string): number | undefined {
  const program = sessionProgram(Deno.build.arch);
  if (!program) return undefined;
  const fd = openUnnamed(`${directory}/${NAME}`, program);
  if (fd < 0) return undefined;
  const words = [NAME, "/bin/sh", ...FALLBACK, "sh", "-c", `exit ${TRIAL}`];
  if (runToEnd(`/proc/self/fd/${fd}`, words) === TRIAL << 8) return fd;
  libc.close(fd);
  return undefined;
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

/** Below zero when it cannot be made. What is open for writing cannot be executed (execve(2)). */
function openUnnamed(path: string, content: Uint8Array): number {
  try {
    removeIfThere(path);
    Deno.writeFileSync(path, content, { mode: 0o500, createNew: true });
    const fd = libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
    Deno.removeSync(path);
    return fd;
  } catch {
    return -1;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
