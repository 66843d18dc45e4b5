/**
 * The books of one supervisor: every acknowledged job, what was done to it, every event in order, and
 * the end that was told. Throws Breach at the first entry that cannot be true.
 */

import { DEFAULT_TIMEOUT_S } from "../src/job/spec.ts";
import type { Event, Job, State } from "../src/varlink/interface.ts";
import type { Plan } from "./catalogue.ts";
import type { Mark } from "./judgement.ts";

/** A promise was broken. The message says which, the facts what is known. */
export class Breach extends Error {
  override name = "Breach";
  constructor(message: string, readonly id?: number) {
    super(message);
  }
}

export interface Account {
  readonly id: number;
  readonly plan: Plan;
  readonly marks: Set<Mark>;
  /** The reply to a Wait, as JSON. */
  waited?: string;
}

const NEXT: Record<string, readonly State[]> = {
  "": ["QUEUED"],
  QUEUED: ["STARTING", "CANCELLED"],
  STARTING: ["STARTING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"],
  RUNNING: ["RUNNING", "COMPLETED", "FAILED", "CANCELLED"],
};

export class Ledger {
  readonly accounts = new Map<number, Account>();
  /** The end that was told of each job that has been looked at, as JSON; empty once it is pruned. */
  readonly told = new Map<number, string>();
  readonly states = new Map<number, State>();
  /** Jobs that have ended and have not been looked at. */
  readonly ended = new Set<number>();
  lastSequence = 0;
  readonly #live = new Set<number>();
  readonly #unread: Event[] = [];
  readonly #waiting = new Map<number, Plan>();
  readonly #completed = new Set<number>();

  acknowledge(job: Job, plan: Plan): Account {
    const known = this.accounts.get(job.id);
    if (known) {
      throw new Breach(`"${plan.key}" was answered with the job of "${known.plan.key}"`, job.id);
    }
    const account = { id: job.id, plan, marks: new Set<Mark>() };
    this.accounts.set(job.id, account);
    if (!isEnd(this.states.get(job.id))) this.#live.add(job.id);
    this.#read();
    return account;
  }

  /** Jobs whose end has not been told yet, in id order. */
  live(): Account[] {
    return [...this.#live].flatMap((id) => this.accounts.get(id) ?? []);
  }

  /** Ids of the jobs that have not been pruned. */
  kept(): number[] {
    return [...this.accounts.keys()].filter((id) => this.told.get(id) !== "");
  }

  get open(): number {
    return this.accounts.size - this.told.size;
  }

  note(event: Event): void {
    const { id, state, sequence } = event;
    if (sequence !== this.lastSequence + 1) {
      throw new Breach(`event ${sequence} follows event ${this.lastSequence}`, id);
    }
    this.lastSequence = sequence;
    const before = this.states.get(id) ?? "";
    if (!NEXT[before]?.includes(state)) throw new Breach(`${before} was followed by ${state}`, id);
    this.states.set(id, state);
    if (isEnd(state)) {
      this.#live.delete(id);
      this.ended.add(id);
    }
    this.#unread.push(event);
    this.#read();
  }

  /** Takes ended jobs to be looked at; those that are not yet acknowledged stay. */
  takeEnded(): Account[] {
    const accounts = [...this.ended].flatMap((id) => this.accounts.get(id) ?? []);
    for (const { id } of accounts) this.ended.delete(id);
    return accounts;
  }

  before({ plan }: Account): State[] {
    return (plan.spec.after ?? []).map((id) => this.states.get(id)!);
  }

  /** Reads events in their order, as far as their jobs are known: an event may precede the reply. */
  #read(): void {
    let read = 0;
    for (const event of this.#unread) {
      const account = this.accounts.get(event.id);
      if (!account) break;
      read++;
      if (event.state === "QUEUED") this.#waiting.set(event.id, account.plan);
      else if (this.#waiting.delete(event.id) && event.state === "STARTING") {
        this.#startedInTurn(account);
      }
      if (event.state === "COMPLETED") this.#completed.add(event.id);
    }
    this.#unread.splice(0, read);
  }

  #startedInTurn({ id, plan }: Account): void {
    if (!this.#isReady(plan)) {
      throw new Breach("it was started before those that it follows had completed", id);
    }
    for (const [other, waiting] of this.#waiting) {
      const order = plan.spec.priority! - waiting.spec.priority! || other - id;
      // One that needs more, or may run longer, may have to wait, and may then be passed.
      const mayPass = waiting.spec.cpus! > plan.spec.cpus! || lastsS(waiting) > lastsS(plan);
      if (order < 0 && !mayPass && this.#isReady(waiting)) {
        throw new Breach(`it was started before job ${other}`, id);
      }
    }
  }

  #isReady({ spec }: Plan): boolean {
    return (spec.after ?? []).every((id) => this.#completed.has(id));
  }
}

export function isEnd(state: State | undefined): boolean {
  return state === "COMPLETED" || state === "FAILED" || state === "CANCELLED";
}

function lastsS({ spec }: Plan): number {
  return (spec.timeout ?? DEFAULT_TIMEOUT_S) || Infinity;
}
