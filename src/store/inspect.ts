/**
 * Looks at the journal's files before SQLite does: it would begin an empty journal where there is
 * none, and take an older state for the whole where its write-ahead log is missing or damaged.
 */

import { MIGRATIONS } from "./schema.ts";
import { walDamage } from "./wal.ts";

/** Why a journal must not be used as it is. */
export interface Trouble {
  readonly what: string;
  /**
   * older: what can be read is an earlier state, since later commits are lost; newer: nothing is
   * wrong with it, and another holdfast is needed.
   */
  readonly kind: "damaged" | "older" | "newer";
}

/** Something else tells that there have been jobs, as "3 jobs in runs/"; undefined where nothing does. */
export type OtherTraces = string | undefined;

/** No holdfast will ever have had so many schemas. */
const MAX_VERSION = 10_000;
const MAGIC = "SQLite format 3\0";
const HEADER_BYTES = 100, PAGE_SIZE_AT = 16, USER_VERSION_AT = 60;

/** `called`: the path that people know it by, which another is the copy of. */
export function inspect(
  path: string,
  traces: OtherTraces,
  called = path,
): Trouble | undefined {
  const size = sizeOf(path);
  if (!size) {
    const what = size === undefined ? "is missing" : "is empty";
    return traces ? damaged(`${what}, although there are traces of ${traces}`) : undefined;
  }
  const header = readStart(path);
  if (header.length < HEADER_BYTES || latin.decode(header.subarray(0, 16)) !== MAGIC) {
    return damaged("is damaged: it is not a database");
  }
  const view = new DataView(header.buffer);
  const version = view.getUint32(USER_VERSION_AT);
  if (version > MAX_VERSION) return damaged("is damaged: its header makes no sense");
  if (version > MIGRATIONS.length) return newer(version);
  const log = `${path}-wal`;
  if (sizeOf(log) === undefined) {
    return isMarkedOpen(path)
      ? older(
        `was not closed, and its write-ahead log ${called}-wal is missing: it was removed, and commits ` +
          "with it, or another program has opened the journal and written the log into it",
      )
      : undefined;
  }
  const pageSize = view.getUint16(PAGE_SIZE_AT) === 1 ? 65_536 : view.getUint16(PAGE_SIZE_AT);
  const damage = walDamage(Deno.readFileSync(log), pageSize);
  return damage === undefined ? undefined : older(`has a write-ahead log of which ${damage}`);
}

export function newer(version: number): Trouble {
  const what = `has schema ${version}, and this version of holdfast knows up to ` +
    `${MIGRATIONS.length}`;
  return { what, kind: "newer" };
}

export function damaged(what: string): Trouble {
  return { what, kind: "damaged" };
}

function older(what: string): Trouble {
  return { what, kind: "older" };
}

/**
 * While the journal is open there is a mark beside it, made after its write-ahead log and removed
 * before it. It is a help only: without room for it the journal is opened all the same.
 */
export function markOpen(path: string): void {
  try {
    Deno.writeTextFileSync(markPath(path), "");
  } catch {
    // Then a log that goes missing is not noticed.
  }
}

/** False when it cannot be removed: then the log must stay too. */
export function unmarkOpen(path: string): boolean {
  try {
    Deno.removeSync(markPath(path));
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function isMarkedOpen(path: string): boolean {
  return sizeOf(markPath(path)) !== undefined;
}

export function markPath(path: string): string {
  return `${path}-open`;
}

const latin = new TextDecoder("latin1");

/** Undefined when there is no such file. */
export function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function readStart(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const start = new Uint8Array(HEADER_BYTES);
  return start.slice(0, file.readSync(start) ?? 0);
}
