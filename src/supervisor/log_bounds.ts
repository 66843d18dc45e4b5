/**
 * Keeps the logs of running jobs below their limits, and room on the disk for the journal: looks at
 * sizes now and then, the sooner the nearer one may be to its limit, and cuts. It is hint and effect
 * at once, and nothing of it is journaled: what was not cut is cut at the next look.
 */

import { MIN_LOG_SIZE } from "../job/limits.ts";
import type { Log } from "../job/log.ts";
import type { Clock, LogFiles, LogState, LogStream, Space } from "../ports.ts";
import {
  ballastOf,
  ceilingOf,
  cutTo,
  kept,
  LEAST_KEPT,
  nextDiskLookMs,
  nextLookMs,
  relief,
  reserveOf,
  together,
} from "./log_cut.ts";
import { Wakes } from "./wakes.ts";

export interface LogBoundsParts {
  readonly clock: Clock;
  readonly logs: LogFiles;
  readonly log: Log;
  /** bytes of each log of a job that are kept */
  readonly limitOf: (id: number) => number;
  /** bytes that are kept free on the disk; 0 for none */
  readonly reserve: number;
}

interface JobLog extends LogState {
  readonly id: number;
  readonly stream: LogStream;
}

interface Watched {
  /** Known from its first look on. */
  limit?: number;
  /** Of both logs at the last look. */
  size: number;
  atBootMs: number;
}

const STREAMS = ["stdout", "stderr"] as const;
/** Most jobs have ended by then. */
const FIRST_LOOK_MS = 1000;
const IDLE_DISK_LOOK_MS = 30_000;
const LOOKS_AT_ONCE = 50;
/** The disk's place among the jobs that are to be looked at. */
const DISK = 0;

export class LogBounds {
  readonly #watched = new Map<number, Watched>();
  readonly #wakes: Wakes;
  #hasBallast = false;
  #shortage?: string;
  /** What was free when no log had anything to give. */
  #freeInVain = Infinity;
  #trouble?: string;
  #isStopped = false;

  constructor(private readonly parts: LogBoundsParts) {
    this.#wakes = new Wakes(parts.clock, (ids) => this.#lookAtAll(ids));
  }

  /** Why logs are cut below their limits now. */
  get shortage(): string | undefined {
    return this.#shortage;
  }

  /** A job has been started. */
  watch(id: number): void {
    if (this.#isStopped || this.#watched.has(id)) return;
    if (this.#watched.size === 0) this.#lookAtDiskIn(0);
    const atBootMs = this.parts.clock.bootMs();
    this.#watched.set(id, { size: 0, atBootMs });
    this.#wakes.set(id, together(atBootMs, FIRST_LOOK_MS));
  }

  /** A job has ended: what it wrote last is cut too. Does no harm to one that runs. */
  leave(id: number): void {
    this.#try(() => {
      const logs = this.#logsOf(id).filter((log) => kept(log) > MIN_LOG_SIZE);
      if (logs.length === 0) return;
      const limit = this.#watched.get(id)?.limit ?? this.parts.limitOf(id);
      for (const log of logs) this.#cut(log, limit, "limit");
      if (logs.some((log) => kept(log) > LEAST_KEPT)) this.#relieve();
    });
    this.#watched.delete(id);
    this.#wakes.set(id, undefined);
  }

  /** The journal has found no room. False when nothing could be given to it. */
  makeRoom(): boolean {
    if (this.#try(() => this.#relieve())) return true;
    const isGiven = this.#giveBallast();
    if (isGiven) this.#lookAtDiskIn(0);
    return isGiven;
  }

  /** Before the journal is opened, which on a full disk could not be. */
  prepare(): void {
    const disk = this.#try(() => this.parts.logs.space());
    if (disk && disk.free < ballastOf(disk, this.parts.reserve) / 4) this.#giveBallast();
  }

  /** Takes over jobs that run, and makes the ballast soon. */
  begin(ids: readonly number[]): void {
    for (const id of ids) this.watch(id);
    this.#lookAtDiskIn(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#wakes.clear();
  }

  /** Those that fall together are looked at a few at a time: others are let in between. */
  #lookAtAll(ids: readonly number[]): void {
    if (this.#isStopped) return;
    for (const id of ids.slice(0, LOOKS_AT_ONCE)) this.#look(id);
    const left = ids.slice(LOOKS_AT_ONCE);
    if (left.length > 0) this.parts.clock.after(0, () => this.#lookAtAll(left));
  }

  #look(id: number): void {
    if (id === DISK) return this.#lookAtDisk();
    const watched = this.#watched.get(id);
    if (!watched) return;
    const limit = watched.limit ??= this.parts.limitOf(id);
    const logs = this.#try(() => this.#logsOf(id)) ?? [];
    let held = 0;
    for (const log of logs) {
      const isOver = kept(log) > ceilingOf(limit);
      if (isOver) this.#try(() => this.#cut(log, limit, "limit"));
      held = Math.max(held, isOver ? limit : kept(log));
    }
    const now = this.parts.clock.bootMs();
    const size = logs.reduce((sum, log) => sum + log.size, 0);
    const sinceMs = size === watched.size ? now - watched.atBootMs : undefined;
    watched.size = size;
    watched.atBootMs = now;
    this.#wakes.set(id, together(now, nextLookMs(held, limit, sinceMs)));
  }

  #lookAtDisk(): void {
    const disk = this.#try(() => this.parts.logs.space());
    if (!disk || this.parts.reserve === 0) return;
    const reserve = reserveOf(disk, this.parts.reserve);
    const ballast = ballastOf(disk, this.parts.reserve);
    if (disk.free >= reserve) this.#noteEnough(disk, reserve, ballast);
    else if (disk.free < this.#freeInVain && !this.#try(() => this.#relieve())) {
      // Even the record of a cut needs a block.
      if (disk.free < ballast / 4 && this.#giveBallast()) this.#try(() => this.#relieve());
    }
    const isIdle = this.#watched.size === 0;
    if (isIdle && (this.#hasBallast || ballast === 0)) return;
    const delayMs = nextDiskLookMs(disk, reserve);
    this.#lookAtDiskIn(isIdle ? Math.max(delayMs, IDLE_DISK_LOOK_MS) : delayMs);
  }

  #lookAtDiskIn(delayMs: number): void {
    if (this.#isStopped) return;
    this.#wakes.set(DISK, together(this.parts.clock.bootMs(), delayMs));
  }

  #noteEnough(disk: Space, reserve: number, ballast: number): void {
    const { log, logs } = this.parts;
    this.#freeInVain = Infinity;
    if (this.#shortage) log.info("the disk has room again", { free: disk.free });
    this.#shortage = undefined;
    // With some to spare, so that it is not given up again at once.
    if (this.#hasBallast || ballast === 0 || disk.free < reserve + 2 * ballast) return;
    this.#hasBallast = this.#try(() => (logs.takeBallast(ballast), true)) ?? false;
  }

  #giveBallast(): boolean {
    const isGiven = this.#try(() => this.parts.logs.giveBallast()) ?? false;
    if (isGiven) this.parts.log.warn("the disk is full", { doing: "ballast given up" });
    this.#hasBallast = false;
    return isGiven;
  }

  /** Cuts the biggest logs until there is as much free as is to be. False when none could be, and must. */
  #relieve(): boolean {
    const { logs, log } = this.parts;
    const disk = logs.space();
    if (!disk) return false;
    const reserve = reserveOf(disk, this.parts.reserve);
    if (disk.free >= reserve) return true;
    if (!this.#shortage) log.warn("the disk is short of space", { free: disk.free, reserve });
    this.#shortage = `less than ${Math.round(reserve / 2 ** 20)} MiB are free`;
    // By their last looks, which were the sooner the more they wrote.
    const biggest = [...this.#watched].sort(([, a], [, b]) => b.size - a.size);
    const all = biggest.slice(0, LOOKS_AT_ONCE).flatMap(([id]) => this.#logsOf(id));
    const room = 2 * reserve + 2 * ballastOf(disk, this.parts.reserve);
    const cuts = relief(all, room - disk.free);
    for (const [each, keep] of cuts) this.#cut(each, keep, "the disk is short of space");
    this.#freeInVain = cuts.size === 0 ? disk.free : Infinity;
    return cuts.size > 0;
  }

  #cut(each: JobLog, keep: number, why: string): void {
    const piece = kept(each) > keep && cutTo(each, keep);
    if (!piece) return;
    const { id, stream } = each;
    const { from, to, shift } = this.parts.logs.cut(id, stream, piece.from, piece.to);
    const facts = { job: id, stream, why, from, to };
    if (each.gap) this.parts.log.debug("log cut", facts);
    else this.parts.log.info("log cut", { ...facts, how: shift ? "truncated" : undefined });
  }

  #logsOf(id: number): JobLog[] {
    return STREAMS.flatMap((stream) => {
      const state = this.parts.logs.look(id, stream);
      return state ? [{ ...state, id, stream }] : [];
    });
  }

  /** Logs are no reason to fail for anything else. */
  #try<T>(go: () => T): T | undefined {
    try {
      return go();
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      const { log } = this.parts;
      // Looks are frequent: each trouble is told once.
      if (cause !== this.#trouble) {
        log.warn("logs cannot be bounded", { cause, doing: "trying again" });
      }
      this.#trouble = cause;
      return undefined;
    }
  }
}
