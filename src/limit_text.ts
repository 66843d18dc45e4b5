/** Limits as people type them: `open-files=4096`, `core-size=512M`; in a file `open_files`. Pure. */

import * as v from "valibot";
import { LIMIT_NAMES, type LimitName, type Limits, limitsSchema } from "./job/limits.ts";
import { parseSize } from "./units.ts";

type Reader = (text: string) => number | string | undefined;

const whole: Reader = (text) => /^-?\d+$/.test(text) ? Number(text) : undefined;

const READERS: Record<LimitName, readonly [read: Reader, expected: string]> = {
  openFiles: [whole, "a whole number"],
  coreSize: [parseSize, "a size up to 8191T such as 0, 512M or 2G"],
  fileSize: [parseSize, "a size up to 8191T such as 512M or 2G"],
  stackSize: [parseSize, "a size up to 8191T such as 8M"],
  processes: [whole, "a whole number"],
  nice: [whole, "a whole number from -20 to 19"],
  oomScore: [whole, "a whole number from -1000 to 1000"],
  umask: [(text) => text, "octal"],
  logSize: [parseSize, "a size up to 8191T such as 512M or 2G"],
};

/** What is wrong with what was typed. */
export class WrongLimit extends Error {}

/** One limit. Throws WrongLimit, which shows a right one. */
export function parseLimit(typedName: string, text: string): Limits {
  const name = LIMIT_NAMES.find((name) => typedName.replaceAll("_", "-") === limitText(name));
  if (!name) {
    const names = LIMIT_NAMES.map(limitText).join(", ");
    throw new WrongLimit(`'${typedName}' is not a limit; the limits are ${names}`);
  }
  const [read, expected] = READERS[name];
  const value = read(text);
  if (value === undefined) {
    throw new WrongLimit(`${limitText(name)} is ${expected}, and '${text}' is not`);
  }
  const result = v.safeParse(limitsSchema, { [name]: value });
  if (result.success) return { [name]: value };
  throw new WrongLimit(`${limitText(name)} ${result.issues[0].message}, and is '${text}'`);
}

/** `NAME=VALUE`. Throws WrongLimit. */
export function parseLimitWord(word: string): Limits {
  const at = word.indexOf("=");
  if (at < 1) {
    throw new WrongLimit(
      `'${word}' is not a limit, which is written NAME=VALUE as open-files=4096`,
    );
  }
  return parseLimit(word.slice(0, at), word.slice(at + 1));
}

/** `openFiles` as it is typed: `open-files`. */
export function limitText(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
