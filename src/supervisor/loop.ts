/**
 * The loop: takes what has happened since the last turn, has it decided, journals all of it in one
 * transaction, then answers and acts. Whatever has an effect outside comes after the commit of what it
 * follows from.
 *
 * A turn decides for TURN_MS and a step more, its fsync not counted, and acts for EFFECTS_MS; what is
 * left waits, and in between whoever has come is heard: so nobody waits for another's work.
 */

import type { Log } from "../job/log.ts";
import { Refused } from "../job/refusal.ts";
import type { Clock } from "../ports.ts";
import type { Evidence } from "../recover/verdict.ts";
import { type Journal, JournalUnavailable } from "../store/journal.ts";
import type { EventRecord } from "../store/records.ts";
import type { Aftermath } from "./aftermath.ts";
import { nextRetryMs } from "./retry.ts";
import { TurnTimes } from "./turn_times.ts";

export const TURN_MS = 10;
/** Of it, when the requests and when the looks at jobs give way to what comes after them. */
const REQUESTS_MS = 4, LOOKS_MS = 7;
/** For how long the effects of a turn are had before others are let in. */
const EFFECTS_MS = 10;
/** What is made free may be written full by a job before the commit has it. */
const TRIES_FOR_ROOM = 30;

/** What a decision returns that must go on in the next turn. What it has done till then is on disk. */
export const UNFINISHED = Symbol("unfinished");

/** `mayGoOn`: whether the turn has time for more. */
export type MayGoOn = () => boolean;
export type Decide<T> = (mayGoOn: MayGoOn) => T | typeof UNFINISHED;
export type Answer<T> = { readonly value: T } | { readonly refused: Refused["refusal"] };

interface Request {
  /** Whether it changes something, and so must wait for a journal that can be written. */
  readonly isChange: boolean;
  decide: Decide<unknown>;
  respond(answer: Answer<any>): void;
}

export interface LoopParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly log: Log;
  readonly aftermath: Aftermath;
  /** Takes a job as far as it can go now; without leave to journal, no further than is journaled. */
  readonly reconcile: (id: number, evidence: Evidence | undefined, mayJournal: boolean) => void;
  /** What a turn does after requests and looks, in this order. Each returns whether it has more to do. */
  readonly stages: readonly ((mayGoOn: MayGoOn) => boolean)[];
  /** Takes memory back to what the journal says. */
  readonly load: () => void;
  /** Gives a journal that finds no room some. False when there is none. */
  readonly makeRoom: () => boolean;
  /** The journal can be written again. */
  readonly onAvailable: () => void;
  /** After every turn. */
  readonly onTurn: () => void;
}

export class Loop {
  readonly times = new TurnTimes();
  readonly #subscribers = new Set<(events: readonly EventRecord[]) => void>();
  #requests: Request[] = [];
  #toLook = new Map<number, Evidence | undefined>();
  #isQueued = false;
  #isTurning = false;
  /** What follows from what is on disk and has not been done yet. */
  #effects: (() => void)[] = [];
  #degraded?: { message: string; retryMs: number };
  #isStopped = false;

  constructor(private readonly parts: LoopParts) {}

  /** Why the journal cannot be written. */
  get degraded(): string | undefined {
    return this.#degraded?.message;
  }

  get hasLooks(): boolean {
    return this.#toLook.size > 0;
  }

  /**
   * Runs `decide` in the next turn's transaction; answers when what it did is on disk. What changes
   * nothing (`isChange` false) is done while the journal cannot be written too.
   */
  request<T>(decide: Decide<T>, respond: (answer: Answer<T>) => void, isChange = true): void {
    this.#requests.push({ decide, respond, isChange });
    this.queueTurn();
  }

  /** Is told the events of each commit. Returns the function that ends it. */
  subscribe(subscriber: (events: readonly EventRecord[]) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** A hint that something may have happened to a job, with what has been seen of it, if it was. */
  look(id: number, evidence?: Evidence): void {
    this.#toLook.set(id, evidence);
    this.queueTurn();
  }

  queueTurn(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    const { clock } = this.parts;
    // What a turn itself asks for, as by an effect of its, waits for those who have come meanwhile.
    if (this.#isTurning) clock.after(0, () => this.turn());
    else clock.soon(() => this.turn());
  }

  /** Does what has been decided and nothing more, and refuses what is asked. */
  stop(): void {
    this.#isStopped = true;
    this.#act(Infinity);
  }

  /** For how long jobs may be looked at, and effects be had, before others are let in. */
  turn(looksMs = LOOKS_MS, effectsMs = EFFECTS_MS): void {
    const { clock, onTurn } = this.parts;
    this.#isQueued = false;
    this.#isTurning = true;
    try {
      // What has been decided is done before anything else is decided.
      if (this.#effects.length > 0) {
        this.#act(effectsMs);
        return this.queueTurn();
      }
      const done = this.#turn(looksMs);
      this.#act(effectsMs);
      if (done) this.times.note(done.turn, done.committedMs, clock.bootMs());
      if (this.#effects.length === 0 && !this.#isStopped) onTurn();
    } finally {
      this.#isTurning = false;
    }
  }

  /** Has the effects of what is on disk, in their order, as far as there is time. */
  #act(effectsMs: number): void {
    const { clock } = this.parts;
    const endMs = clock.bootMs() + effectsMs;
    let done = 0;
    while (done < this.#effects.length && (done === 0 || clock.bootMs() < endMs)) {
      this.#try(this.#effects[done++]!);
    }
    this.#effects.splice(0, done);
    if (this.#effects.length > 0) this.queueTurn();
  }

  /** Undefined when nothing could be journaled. */
  #turn(looksMs: number): { turn: Turn; committedMs: number } | undefined {
    const requests = this.#requests.splice(0);
    if (this.#isStopped) return void refuse(requests, "the supervisor is ending");
    if (this.#degraded) return void this.#degradedTurn(requests, this.#degraded.message);
    const turn = new Turn(this.parts, requests, this.#takeLooks(), looksMs);
    try {
      this.#transact(() => turn.decide());
    } catch (error) {
      // A mistake of ours must not be worse than a disk that fails: nothing has happened, try again.
      const message = error instanceof Error ? error.message : String(error);
      const isDisk = error instanceof JournalUnavailable;
      this.#degrade(isDisk ? message : `internal error: ${message}`);
      return void refuse(requests, message);
    }
    const committedMs = this.parts.clock.bootMs();
    this.#finish(turn.replies());
    this.#goOnLater(turn);
    return { turn, committedMs };
  }

  /** Running jobs go on as far as is journaled, and what changes nothing is answered. */
  #degradedTurn(requests: readonly Request[], message: string): void {
    refuse(requests.filter(({ isChange }) => isChange), message);
    const others = requests.filter(({ isChange }) => !isChange);
    const looks = this.#takeLooks();
    const turn = new Turn({ ...this.parts, stages: [] }, others, looks, LOOKS_MS, false);
    turn.decide();
    this.#finish(turn.replies());
    this.#goOnLater(turn);
  }

  #takeLooks(): [number, Evidence | undefined][] {
    const looks = [...this.#toLook];
    this.#toLook.clear();
    return looks;
  }

  /** What a turn has left is taken up when others have been let in. */
  #goOnLater({ openRequests, openLooks, hasMore }: Turn): void {
    this.#requests.unshift(...openRequests);
    for (const [id, evidence] of openLooks) {
      if (!this.#toLook.has(id)) this.#toLook.set(id, evidence);
    }
    if (hasMore) this.queueTurn();
  }

  /** A journal that finds no room is given some, at the cost of logs, and tried again. */
  #transact(body: () => void): void {
    const { journal, aftermath, makeRoom, load } = this.parts;
    for (let tries = 1;; tries++) {
      try {
        return journal.transact(body);
      } catch (error) {
        const isFull = error instanceof JournalUnavailable && /full/.test(error.message);
        if (!isFull || tries === TRIES_FOR_ROOM || !makeRoom()) throw error;
        aftermath.take();
        load();
      }
    }
  }

  /** After the commit: replies first, since somebody waits for them. */
  #finish(replies: readonly (() => void)[]): void {
    const { events, effects } = this.parts.aftermath.take();
    for (const reply of replies) reply();
    if (events.length > 0) { for (const subscriber of this.#subscribers) subscriber(events); }
    this.#effects.push(...effects);
  }

  #try(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.parts.log.error("failed", { what: String(error) });
    }
  }

  /** Nothing of the turn has happened. Memory goes back to what the journal says. */
  #degrade(message: string): void {
    const { aftermath, clock, load, log } = this.parts;
    aftermath.take();
    const retryMs = nextRetryMs(this.#degraded?.retryMs);
    if (!this.#degraded) {
      log.error("journal unavailable", { message, doing: "refusing jobs, retrying" });
    }
    this.#degraded = { message, retryMs };
    this.#try(() => load());
    clock.after(retryMs, () => this.#retry());
  }

  #retry(): void {
    if (this.#isStopped) return;
    const { journal, load, log, clock, onAvailable } = this.parts;
    try {
      this.#transact(() => journal.setSetting("written", String(clock.wallMs())));
      load();
    } catch (error) {
      this.#try(() => journal.reopen());
      return this.#degrade(error instanceof Error ? error.message : String(error));
    }
    this.#degraded = undefined;
    log.warn("journal available again");
    onAvailable();
    this.queueTurn();
  }
}

/** One turn. Its decisions may be made again from the beginning, when the journal has refused them. */
class Turn {
  readonly #beganMs: number;
  #decidedMs = 0;
  #answers: (Answer<unknown> | typeof UNFINISHED)[] = [];
  #looked = 0;
  #hasStagesLeft = false;

  constructor(
    private readonly parts: LoopParts,
    private readonly requests: readonly Request[],
    private readonly looks: readonly [number, Evidence | undefined][],
    private readonly looksMs: number,
    private readonly mayJournal = true,
  ) {
    this.#beganMs = parts.clock.bootMs();
  }

  /** ms that were worked before the commit. */
  get workedMs(): number {
    return this.#decidedMs - this.#beganMs;
  }

  get decidedMs(): number {
    return this.#decidedMs;
  }

  decide(): void {
    const { clock, reconcile, stages } = this.parts;
    const beganMs = clock.bootMs();
    const until = (ms: number) => () => clock.bootMs() < beganMs + ms;
    this.#answers = [];
    this.#looked = 0;
    const mayAnswer = until(REQUESTS_MS), mayLook = until(this.looksMs);
    for (const request of this.requests) {
      this.#answers.push(answer(request, mayAnswer));
      if (!mayAnswer()) break;
    }
    for (const [id, evidence] of this.looks) {
      reconcile(id, evidence, this.mayJournal);
      this.#looked++;
      if (!mayLook()) break;
    }
    const mayGoOn = until(TURN_MS);
    // Each has its turn, however long the others have taken.
    this.#hasStagesLeft = stages.map((stage) => stage(mayGoOn)).some(Boolean);
    this.#decidedMs = clock.bootMs();
  }

  replies(): (() => void)[] {
    return this.#answers.flatMap((answer, i) =>
      answer === UNFINISHED ? [] : [() => this.requests[i]!.respond(answer)]
    );
  }

  /** Those that have not been answered; who has had a part of a turn comes after the others. */
  get openRequests(): Request[] {
    const unfinished = this.requests.filter((_, i) => this.#answers[i] === UNFINISHED);
    return [...this.requests.slice(this.#answers.length), ...unfinished];
  }

  get openLooks(): readonly [number, Evidence | undefined][] {
    return this.looks.slice(this.#looked);
  }

  get hasMore(): boolean {
    return this.#hasStagesLeft || this.openRequests.length > 0 || this.openLooks.length > 0;
  }
}

function answer(request: Request, mayGoOn: MayGoOn): Answer<unknown> | typeof UNFINISHED {
  try {
    const value = request.decide(mayGoOn);
    return value === UNFINISHED ? UNFINISHED : { value };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.refusal };
    throw error;
  }
}

function refuse(requests: readonly Request[], message: string): void {
  const refused = { error: "JournalUnavailable", message } as const;
  for (const { respond } of requests) respond({ refused });
}
