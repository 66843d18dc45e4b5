/**
 * The clock by which ages are counted (steady_time.ts). What it has seen of the other clocks is in the
 * journal, so that it goes on over the death of the supervisor and of the node.
 */

import type { Clock, Processes } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { Span } from "../store/journal_reads.ts";
import {
  ageMs,
  firstSeen,
  olderThan,
  parseTimeText,
  seenAgain,
  type Sighting,
  type SteadyTime,
  timeText,
} from "./steady_time.ts";

export interface SteadyClockParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly processes: Pick<Processes, "ground">;
}

const SETTING = "clock";

export class SteadyClock {
  #time!: SteadyTime;
  /** Since somebody was told. */
  #movedMs = 0;
  #offMs = 0;
  /** Whether the journal has been seen to know of the clocks. */
  #isNoted = false;

  constructor(private readonly parts: SteadyClockParts) {}

  /** Takes up what the journal says, which must be open. */
  start(): this {
    const text = this.parts.journal.setting(SETTING);
    if (text === undefined) this.#time = firstSeen(this.#look());
    else this.#see(parseTimeText(text), this.#look());
    return this;
  }

  /** ms; never goes back. */
  nowMs(): number {
    const { seen, steadyMs } = this.#time;
    return steadyMs + Math.max(0, Math.round(this.parts.clock.bootMs()) - seen.bootMs);
  }

  /** How far the wall clock is ahead of it, ms. */
  aheadMs(wallMs: number): number {
    return wallMs - this.nowMs();
  }

  /** Within a turn: notes how the clocks are. */
  note(): void {
    this.#see(this.#time, this.#look());
    const { journal } = this.parts;
    journal.setSetting(SETTING, timeText(this.#time));
    journal.endBy(this.#time.steadyMs);
  }

  /** Within a turn: the same, where it has never been noted. Nothing is timed by what nobody would know. */
  noteFirst(): void {
    if (this.#isNoted) return;
    this.#isNoted = this.parts.journal.setting(SETTING) !== undefined;
    if (!this.#isNoted) this.note();
  }

  /** The journal may have taken back what was noted. */
  reload(): void {
    this.#isNoted = false;
  }

  /** What was unusual, as `seenAgain`, since the last time that this was asked. */
  takeUnusual(): { movedMs: number; offMs: number } {
    const unusual = { movedMs: this.#movedMs, offMs: this.#offMs };
    this.#movedMs = this.#offMs = 0;
    return unusual;
  }

  /** Whether some of the time that is counted may not have passed. */
  get isInDoubt(): boolean {
    return this.#time.doubts.length > 0;
  }

  /** How long ago that was, ms. */
  ageMs(atMs: number): number {
    return ageMs(this.#now(), atMs);
  }

  /** What is older than so many ms. `isBelieved`: if all that is in doubt has passed. */
  olderThan(ms: number, isBelieved = false): Span[] {
    const now = this.#now();
    return olderThan(isBelieved ? { ...now, doubts: [] } : now, ms);
  }

  #now(): SteadyTime {
    return { ...this.#time, steadyMs: this.nowMs() };
  }

  #see(before: SteadyTime, now: Sighting): void {
    const { time, movedMs, offMs } = seenAgain(before, now);
    this.#time = time;
    this.#movedMs += movedMs;
    this.#offMs += offMs;
  }

  #look(): Sighting {
    const { clock, processes } = this.parts;
    const [bootMs, wallMs] = [clock.bootMs(), clock.wallMs()].map(Math.round) as [number, number];
    return { bootId: processes.ground.bootId, bootMs, wallMs };
  }
}
