/**
 * What this supervisor holds of each started job: what its shim tells over its line, and pidfds of the
 * leader and of a shim that was adopted. An ended process that is held keeps its pid or its exit
 * status, so what is said here of a held process is certain.
 */

import type { ExitStatus } from "../job/exit_status.ts";
import { MS_PER_TICK, type ProcessIdentity } from "../job/identity.ts";
import type { StartedJob } from "../job/job.ts";
import {
  type HearShim,
  type Introduction,
  type Processes,
  type ProcessHandle,
  type Reaped,
  type ShimNews,
  signalProcess,
  SIGUSR1,
} from "../ports.ts";
import { NOTHING_TOLD, type Told, withNews } from "./told.ts";

interface Held {
  readonly attempt: number;
  readonly token: string;
  /** When its shim was asked for, ms since boot; of an adopted job undefined. */
  readonly askedBootMs?: number;
  /** Undefined while its shim has no line to us. */
  told?: Told;
  /** The line that counts: what comes late over an older one does not. */
  line?: symbol;
  /** Somebody tells its end. */
  isWatched?: boolean;
  /** Known even where the leader had ended before it could be held. */
  leaderPid?: number;
  leader?: ProcessHandle;
  leaderExit?: ExitStatus;
  shim?: ProcessHandle;
}

const MOST_STRAYS = 256;

export class Grip {
  readonly #held = new Map<number, Held>();
  /** Jobs by the pids of their leaders, for who is told that one has been reaped. */
  readonly #leaders = new Map<number, number>();
  /** Children by their pids that were reaped and led no job that is held, the last ones. */
  readonly #strays = new Map<number, { readonly exit: ExitStatus; readonly atBootMs: number }>();

  constructor(
    private readonly processes: Processes,
    private readonly onEnd: (id: number) => void,
    private readonly onNews: (id: number, news: ShimNews) => void,
  ) {}

  /** The shim of an attempt is about to be asked for. Returns who is to hear of it. */
  listenTo(id: number, attempt: number, token: string, askedBootMs: number): HearShim {
    const held = { attempt, token, askedBootMs };
    this.#held.set(id, held);
    return this.#hear(id, held);
  }

  /** Who hears a shim that reaches us by itself; undefined when it is none of ours. */
  greet({ id, attempt, token, shimPid }: Introduction): HearShim | undefined {
    const held = this.#held.get(id);
    const isOurs = held?.attempt === attempt && held.token === token &&
      (held.shim?.identity ?? held.told?.shim)?.pid === shimPid;
    return isOurs ? this.#hear(id, held) : undefined;
  }

  /** Takes hold of a running job's processes. Throws when descriptors have run out. */
  take(job: StartedJob, shim: ProcessIdentity | undefined, leader: ProcessIdentity): void {
    const { id, attempt: { number, token } } = job;
    const held: Held = this.#held.get(id) ?? { attempt: number, token };
    this.#held.set(id, held);
    this.#noteLeader(id, held, leader);
    held.leader ??= this.#open(leader);
    if (held.askedBootMs === undefined) held.shim ??= shim && this.#open(shim);
    // A turn that the journal has refused is done again.
    if (held.isWatched) return;
    const watched = held.shim ?? held.leader;
    held.isWatched = watched !== undefined;
    if (watched) this.#watch(id, watched);
    // Both have ended since they were seen, and nobody else will tell.
    else if (held.askedBootMs === undefined) this.onEnd(id);
  }

  /** Has the shim of an adopted job introduce itself. */
  call(id: number): void {
    const shim = this.#held.get(id)?.shim;
    if (shim) signalProcess(this.processes, shim.identity, SIGUSR1);
  }

  isHeld(id: number): boolean {
    return this.#held.has(id);
  }

  /** What is told of this attempt; undefined while nobody tells anything. */
  told({ id, attempt }: StartedJob): Told | undefined {
    const held = this.#held.get(id);
    return held?.attempt === attempt.number ? held.told : undefined;
  }

  /** When this supervisor has asked for the shim of this attempt, ms since boot. */
  askedBootMs({ id, attempt }: StartedJob): number | undefined {
    const held = this.#held.get(id);
    return held?.attempt === attempt.number ? held.askedBootMs : undefined;
  }

  leaderHandle(id: number): ProcessHandle | undefined {
    return this.#held.get(id)?.leader;
  }

  /** The exact exit status of an ended leader, where the kernel has told it. */
  leaderExit(id: number): ExitStatus | undefined {
    const held = this.#held.get(id);
    return held && (held.leaderExit = held.leader?.exitStatus() ?? held.leaderExit);
  }

  /** Takes note of a reaped child. Returns the job whose leader it was, an orphan. `atBootMs`: now. */
  reaped({ pid, exit }: Reaped, atBootMs: number): number | undefined {
    const id = this.#leaders.get(pid);
    const held = id === undefined ? undefined : this.#held.get(id);
    if (!held) this.#noteStray(pid, exit, atBootMs);
    if (!held || held.leaderExit || this.#isShimThere(held)) return undefined;
    held.leaderExit = exit;
    return id;
  }

  /** How a leader ended that was reaped while its job could not be looked at, its shim being gone. */
  strayExit({ pid, startTicks }: ProcessIdentity): ExitStatus | undefined {
    const stray = this.#strays.get(pid);
    // Who was reaped before the leader was born had its pid before.
    return stray && startTicks * MS_PER_TICK <= stray.atBootMs ? stray.exit : undefined;
  }

  heldIds(): number[] {
    return [...this.#held.keys()];
  }

  letGo(id: number): void {
    const held = this.#held.get(id);
    held?.leader?.close();
    held?.shim?.close();
    if (held?.leaderPid !== undefined && this.#leaders.get(held.leaderPid) === id) {
      this.#leaders.delete(held.leaderPid);
    }
    this.#held.delete(id);
  }

  #hear(id: number, held: Held): HearShim {
    const line = held.line = Symbol();
    held.told = NOTHING_TOLD;
    return (news) => {
      if (this.#held.get(id) !== held || held.line !== line) return;
      held.told = withNews(held.told ?? NOTHING_TOLD, news);
      if (news.kind === "led") this.#noteLeader(id, held, news.leader);
      this.onNews(id, news);
    };
  }

  #noteLeader(id: number, held: Held, { pid }: ProcessIdentity): void {
    held.leaderPid = pid;
    this.#leaders.set(pid, id);
  }

  #noteStray(pid: number, exit: ExitStatus, atBootMs: number): void {
    this.#strays.delete(pid);
    this.#strays.set(pid, { exit, atBootMs });
    if (this.#strays.size > MOST_STRAYS) this.#strays.delete(this.#strays.keys().next().value!);
  }

  /** While it is there the leader is its child: one of ours under that pid is another. */
  #isShimThere({ told, shim }: Held): boolean {
    const identity = shim?.identity ?? told?.shim;
    if (!identity) return false;
    const seen = this.processes.observe(identity.pid);
    return seen.kind === "present" && seen.startTicks === identity.startTicks && !seen.zombie;
  }

  #watch(id: number, handle: ProcessHandle): void {
    handle.whenEnded(() => {
      const leader = this.#held.get(id)?.leader;
      if (leader && leader !== handle) this.#watch(id, leader);
      this.onEnd(id);
    });
  }

  #open(identity: ProcessIdentity): ProcessHandle | undefined {
    const found = this.processes.open(identity);
    return typeof found === "string" ? undefined : found;
  }
}
