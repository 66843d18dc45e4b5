/** All that can be told of files, so that a test can say that not a byte of a directory was changed. */

import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { assertEquals } from "../assert.ts";

/** Of the directory and of all that is in it: what each is, whose, of which content, and since when. */
export function everythingOf(directory: string): string[] {
  const lines: string[] = [];
  const walk = (path: string) => {
    const { mode, uid, gid, ino, nlink, size, mtimeNs, ctimeNs } = lstatSync(path, {
      bigint: true,
    });
    const facts = [mode.toString(8), uid, gid, ino, nlink, size, mtimeNs, ctimeNs];
    const kind = Deno.lstatSync(path);
    const content = kind.isFile ? hash(Deno.readFileSync(path)) : "";
    lines.push(`${path} ${facts.join(" ")} ${content}`);
    if (kind.isDirectory) {
      for (const { name } of Deno.readDirSync(path)) {
        walk(`${path}/${name}`);
      }
    }
  };
  walk(directory);
  return lines.sort();
}

/** Nothing of the directories is changed while `body` runs. */
export async function untouched<T>(
  directories: readonly string[],
  body: () => Promise<T>,
): Promise<T> {
  const before = directories.map(everythingOf);
  const result = await body();
  assertEquals(directories.map(everythingOf), before);
  return result;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
