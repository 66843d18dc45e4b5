/**
 * Asks the kernel whether this process may execute a file or enter a directory: modes alone do not say
 * it (groups, access lists, root, file systems mounted noexec). Opened when it is needed, since that
 * costs a command half a millisecond.
 */

const X_OK = 1;

type Access = (path: Uint8Array<ArrayBuffer>, mode: number) => number;
let access: Access | undefined;

/** access(2). `path`: of a directory with its final slash and dot, else what it leads to counts. */
export function mayExecute(path: string): boolean {
  access ??= Deno.dlopen("libc.so.6", {
    access: { parameters: ["buffer", "i32"], result: "i32" },
  }).symbols.access;
  return access(new TextEncoder().encode(`${path}\0`), X_OK) === 0;
}
