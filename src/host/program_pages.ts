/**
 * Gives back the pages of our own program that are as they are on disk: two thirds of a fresh
 * supervisor's memory is code and data of the runtime that its start alone has needed. What is used
 * again comes back by a page fault, from the page cache: some hundred of them, a millisecond in all.
 */

import { libc } from "./libc.ts";
import { OWN_PATH } from "./replace.ts";

/** madvise(2) */
const MADV_DONTNEED = 4;

interface Mapping {
  readonly from: bigint;
  readonly to: bigint;
}

/** A kernel that does not tell its mappings, or keeps the pages, takes nothing from us. */
export function releaseProgramPages(): void {
  let smaps: string;
  try {
    smaps = Deno.readTextFileSync("/proc/self/smaps");
  } catch {
    return;
  }
  for (const { from, to } of unchangedMappings(smaps, OWN_PATH)) {
    libc.madvise(Deno.UnsafePointer.create(from), to - from, MADV_DONTNEED);
  }
}

/**
 * The mappings of a file of which nothing can be lost (proc_pid_smaps(5)): they cannot be written, and
 * no page of theirs is our own, as those are that the loader has relocated.
 */
export function unchangedMappings(smaps: string, path: string): Mapping[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((text) => {
    const [, from, to, mapped] = /^(\w+)-(\w+) r-[-x]p \w+ \S+ \d+ +(.*)$/m.exec(text) ?? [];
    const isWhole = mapped === path && /^Anonymous: +0 kB$/m.test(text);
    return isWhole ? [{ from: BigInt(`0x${from}`), to: BigInt(`0x${to}`) }] : [];
  });
}
