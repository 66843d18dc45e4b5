/** Start messages, as src/keeper/start.h describes them. */

import type { Limits } from "../job/limits.ts";
import type { ShimStart } from "../ports.ts";
import type { FileLimit } from "./resource_limits.ts";
import { RLIMITS } from "./start_refusal.ts";
import { claimName } from "./run_records.ts";

const MAGIC = 0x31534648;
/** Of the header, and of each limit. */
const HEADER_BYTES = 72, LIMIT_BYTES = 24;
const HAS_NICE = 2, HAS_OOM_SCORE = 4;
const DEFAULT_UMASK = 0o022;
/** A message that is longer goes as a file. */
const MESSAGE_BYTES = 64 * 1024;

/** What jobs get that ask for nothing else. */
export interface StartMeans {
  /** Of open files: a job's own ones where it does not ask. */
  readonly fileLimit: FileLimit;
  /** Whether RLIMIT_NPROC is to hold the processes, for want of a cgroup. */
  readonly boundsProcesses: boolean;
}

interface Bound {
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export class StartMessages {
  readonly #encoder = new TextEncoder();
  readonly #small = new Uint8Array(MESSAGE_BYTES);

  constructor(private readonly means: StartMeans) {}

  /** Bytes that hold until the next call; `isLarge`: too many for one message. */
  encode(start: ShimStart): { bytes: Uint8Array<ArrayBuffer>; isLarge: boolean } {
    const bounds = this.#bounds(start.limits);
    const cpus = maskOf(start.cpuSet ?? []);
    const stringsAt = HEADER_BYTES + bounds.length * LIMIT_BYTES + cpus.length;
    const { text, variables } = stringsOf(start);
    const room = this.#small.subarray(stringsAt);
    const { read, written } = this.#encoder.encodeInto(text, room);
    const isLarge = read < text.length;
    const bytes = isLarge
      ? this.#large(stringsAt, text)
      : this.#small.subarray(0, stringsAt + written);
    writeHeader(bytes, start, {
      limits: bounds.length,
      cpuBytes: cpus.length,
      variables,
      stringBytes: bytes.length - stringsAt,
    });
    writeBounds(bytes, bounds);
    bytes.set(cpus, HEADER_BYTES + bounds.length * LIMIT_BYTES);
    return { bytes, isLarge };
  }

  #large(stringsAt: number, text: string): Uint8Array<ArrayBuffer> {
    const strings = this.#encoder.encode(text);
    const bytes = new Uint8Array(stringsAt + strings.length);
    bytes.set(strings, stringsAt);
    return bytes;
  }

  #bounds(limits: Limits = {}): Bound[] {
    const bounds = [];
    for (const name of ["coreSize", "stackSize", "processes", "openFiles", "fileSize"] as const) {
      const value = limits[name];
      if (value === undefined || (name === "processes" && !this.means.boundsProcesses)) continue;
      bounds.push({ resource: RLIMITS[name], soft: BigInt(value), hard: BigInt(value) });
    }
    if (limits.openFiles === undefined) {
      const { soft, hard } = this.means.fileLimit;
      bounds.push({ resource: RLIMITS.openFiles, soft: BigInt(soft), hard });
    }
    return bounds;
  }
}

/** All strings, each ended by a NUL: one that holds a NUL makes one too many, which is refused. */
function stringsOf(start: ShimStart): { text: string; variables: number } {
  const { environment, id, token, attempt, directory, cgroup = "" } = start;
  let text = `${token}\0${claimName(attempt)}\0${directory}\0${cgroup}\0`;
  for (const word of start.command) text += `${word}\0`;
  let variables = 2;
  for (const name in environment) {
    if (name === "HOLDFAST_JOB_ID" || name === "HOLDFAST_TOKEN") continue;
    text += `${name}=${environment[name]}\0`;
    variables++;
  }
  // As a shell's cd does.
  if (environment.PWD === undefined) {
    text += `PWD=${directory}\0`;
    variables++;
  }
  text += `HOLDFAST_JOB_ID=${id}\0HOLDFAST_TOKEN=${token}\0`;
  return { text, variables };
}

function writeHeader(
  bytes: Uint8Array<ArrayBuffer>,
  { id, attempt, command, limits = {} }: ShimStart,
  counts: { limits: number; cpuBytes: number; variables: number; stringBytes: number },
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { nice, oomScore, umask } = limits;
  const flags = (nice === undefined ? 0 : HAS_NICE) | (oomScore === undefined ? 0 : HAS_OOM_SCORE);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, flags, true);
  view.setBigUint64(8, BigInt(id), true);
  view.setBigUint64(16, BigInt(attempt), true);
  const noGroups = 0, noUser = 0;
  [counts.limits, noGroups, counts.cpuBytes, command.length, counts.variables, counts.stringBytes]
    .forEach((count, i) => view.setUint32(24 + 4 * i, count, true));
  view.setInt32(48, nice ?? 0, true);
  view.setInt32(52, oomScore ?? 0, true);
  view.setUint32(56, umask === undefined ? DEFAULT_UMASK : parseInt(umask, 8), true);
  for (const at of [60, 64, 68]) view.setUint32(at, noUser, true);
}

function writeBounds(bytes: Uint8Array<ArrayBuffer>, bounds: readonly Bound[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  bounds.forEach(({ resource, soft, hard }, i) => {
    const at = HEADER_BYTES + i * LIMIT_BYTES;
    view.setBigUint64(at, soft, true);
    view.setBigUint64(at + 8, hard, true);
    view.setUint32(at + 16, resource, true);
    view.setUint32(at + 20, 0, true);
  });
}

/** Bit n is CPU n, little-endian, in whole words of 64 bits. */
function maskOf(cpus: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = cpus.length === 0 ? 0 : 8 * (Math.floor(Math.max(...cpus) / 64) + 1);
  const mask = new Uint8Array(bytes);
  for (const id of cpus) mask[id >> 3]! |= 1 << (id & 7);
  return mask;
}
