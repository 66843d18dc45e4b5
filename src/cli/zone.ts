/**
 * The time zone of this process by the C library, as date(1) has it: the runtime's own takes what
 * POSIX writes (`CET-1CEST`) and a mounted /etc/localtime for UTC. Where the C library would take what
 * it does not know for UTC, no zone is told (tzset(3)).
 */

import type { Zone } from "./time.ts";

/** For people: why it cannot be told what time it is here. */
export class NoZone extends Error {
  override name = "NoZone";
}

const LOCALTIME = "/etc/localtime", ZONES = "/usr/share/zoneinfo";
/** struct tm of 64-bit glibc. */
const TM_BYTES = 56, GMTOFF_AT = 40, ZONE_AT = 48;

const NAME = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
const HOURS = "[+-]?(?:\\d|1\\d|2[0-4])(?::[0-5]?\\d){0,2}";
const RULE = "(?:M\\d{1,2}\\.[1-5]\\.[0-6]|J?\\d{1,3})(?:\\/[+-]?\\d{1,3}(?::[0-5]?\\d){0,2})?";
const POSIX = new RegExp(`^${NAME}${HOURS}(?:${NAME}(?:${HOURS})?(?:,${RULE},${RULE})?)?$`);
/** What needs no file to be UTC. */
const UTC = /^(UTC|GMT)$/;

/** Looked for when it is first asked, which throws NoZone. */
export class SystemZone implements Zone, Disposable {
  #library?: ReturnType<typeof openLibrary>;
  readonly #tm = new Uint8Array(TM_BYTES);

  at(ms: number): { offsetMs: number; name: string } {
    this.#library ??= this.#open();
    const time = new BigInt64Array([BigInt(Math.floor(ms / 1000))]);
    if (!this.#library.symbols.localtime_r(new Uint8Array(time.buffer), this.#tm)) {
      throw new NoZone(`${ms} ms since 1970 are no time there`);
    }
    const view = new DataView(this.#tm.buffer);
    const name = Deno.UnsafePointer.create(view.getBigUint64(ZONE_AT, true));
    return {
      offsetMs: Number(view.getBigInt64(GMTOFF_AT, true)) * 1000,
      name: name ? new Deno.UnsafePointerView(name).getCString() : "",
    };
  }

  #open() {
    const trouble = troubleWith(Deno.env.get("TZ"), Deno.env.get("TZDIR") || ZONES);
    if (trouble !== undefined) throw new NoZone(trouble);
    const library = openLibrary();
    library.symbols.tzset();
    return library;
  }

  [Symbol.dispose](): void {
    this.#library?.close();
    this.#library = undefined;
  }
}

function openLibrary() {
  return Deno.dlopen("libc.so.6", {
    tzset: { parameters: [], result: "void" },
    localtime_r: { parameters: ["buffer", "buffer"], result: "pointer" },
  });
}

/** `zones`: the directory of those that have names. Undefined where the C library knows the zone. */
export function troubleWith(tz: string | undefined, zones: string): string | undefined {
  if (tz === undefined) return troubleWithFile(LOCALTIME, true);
  const name = tz.replace(/^:/, "");
  if (name === "" || UTC.test(name) || POSIX.test(name)) return undefined;
  const path = name.startsWith("/") ? name : `${zones}/${name}`;
  const trouble = troubleWithFile(path, false);
  return trouble && `TZ=${tz} names no time zone that the C library knows: ${trouble}`;
}

function troubleWithFile(path: string, mayBeAbsent: boolean): string | undefined {
  try {
    // A FIFO would be waited for.
    if (!Deno.statSync(path).isFile) return `${path} is no file`;
    const wrong = wrongInZone(Deno.readFileSync(path));
    return wrong && `${path} ${wrong}`;
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound;
    // None at all is UTC by intent; a link that leads nowhere is not.
    if (isAbsent && mayBeAbsent && !isLink(path)) return undefined;
    const cause = error instanceof Error ? error.message.replace(/ \(os error.*/s, "") : error;
    return `${path}: ${cause}`;
  }
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/** RFC 8536: a header of 44 bytes with six counts and a block, both again with times of 8 bytes. */
function wrongInZone(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  let hasLeaps = false;
  const view = new DataView(bytes.buffer);
  let at = 0;
  const isBlock = (timeBytes: number) => {
    if (bytes.length < at + 44 || view.getUint32(at) !== 0x545a6966) return false;
    const [isUt, isStandard, leaps, times, types, letters] = Array.from(
      { length: 6 },
      (_, i) => view.getUint32(at + 20 + 4 * i),
    ) as [number, number, number, number, number, number];
    hasLeaps ||= leaps > 0;
    at += 44 + times * (timeBytes + 1) + types * 6 + letters + leaps * (timeBytes + 4) +
      isStandard + isUt;
    return at <= bytes.length;
  };
  const isWhole = isBlock(4) && (bytes[4] === 0 || isBlock(8));
  if (!isWhole) return "is no whole zone file (tzfile(5))";
  // Those below right/ are for clocks that show TAI, which none is taken for here.
  return hasLeaps ? "counts leap seconds, which the system's clock does not" : undefined;
}
