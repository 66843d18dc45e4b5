/**
 * What this supervisor holds of each started job: the shim that it has spawned, or pidfds of the shim
 * and leader that it has adopted. An ended process that is held keeps its pid or its exit status, so
 * what is said here of a held process is certain.
 */

import type { ExitStatus } from "../job/exit_status.ts";
import { type Check, checkIdentity, type ProcessIdentity } from "../job/identity.ts";
import type { Processes, ProcessHandle, Reaped, Spawned } from "../ports.ts";

interface Held {
  /** The attempt that this supervisor has started itself. */
  attempt?: number;
  isSpawning?: boolean;
  /** Its shim: a child of ours until it has been reaped. */
  spawnedPid?: number;
  /** Why the job can never be started. */
  spawnRefused?: string;
  /** Nothing was started for it; it can be tried again. */
  isUnstarted?: boolean;
  /** Somebody tells its end. */
  isWatched?: boolean;
  /** Known even where the leader had ended before it could be held. */
  leaderPid?: number;
  leader?: ProcessHandle;
  leaderExit?: ExitStatus;
  maxMemory?: number;
  shim?: ProcessHandle;
}

export class Grip {
  #held = new Map<number, Held>();
  /** Unreaped shims, and those of jobs that have been let go of. */
  #children = new Map<number, number>();
  #spawning = 0;
  /** Children that ended while something was being spawned, and may be that. */
  #strays = new Map<number, Reaped>();

  constructor(
    private readonly processes: Processes,
    private readonly onEnd: (id: number) => void,
  ) {}

  /** The shim of an attempt is about to be spawned. */
  spawning(id: number, attempt: number): void {
    this.#held.set(id, { attempt, isSpawning: true });
    this.#spawning++;
  }

  /** What has become of that. The shim may have ended since, and its job may have been let go of. */
  spawned(id: number, attempt: number, spawned: Spawned): void {
    const held = this.#held.get(id);
    const isHeld = held?.attempt === attempt;
    if ("refused" in spawned) {
      const { refused, by } = spawned;
      const kept = by === "job" ? { spawnRefused: refused } : { isUnstarted: true };
      if (isHeld) this.#held.set(id, kept);
    } else {
      const { pid } = spawned;
      const ended = this.#hasEnded(pid);
      if (!ended) this.#children.set(pid, id);
      const now = { isSpawning: false, spawnedPid: pid, maxMemory: ended?.maxMemory };
      if (isHeld) this.#held.set(id, { ...held, ...now });
    }
    if (--this.#spawning === 0) this.#strays.clear();
  }

  /** Takes hold of a running job's processes. Throws when descriptors have run out. */
  take(id: number, shim: ProcessIdentity | undefined, leader: ProcessIdentity): void {
    const held = this.#held.get(id) ?? {};
    this.#held.set(id, held);
    held.leaderPid = leader.pid;
    held.leader ??= this.#open(leader);
    if (held.attempt !== undefined) return;
    // The end of a shim that is no child of ours, and of a leader without a shim, is told by epoll.
    held.shim ??= shim && this.#open(shim);
    const watched = held.shim ?? held.leader;
    // A turn that the journal has refused is done again.
    if (held.isWatched) return;
    held.isWatched = watched !== undefined;
    if (watched) this.#watch(id, watched);
    // Both have ended since they were seen, and nobody else will tell.
    else this.onEnd(id);
  }

  isHeld(id: number): boolean {
    return this.#held.has(id);
  }

  /** Whether everything the job leaves behind becomes our child. */
  hasSpawned(id: number): boolean {
    return this.#held.get(id)?.attempt !== undefined;
  }

  /** Whether the shim that this supervisor has spawned has not ended. */
  isShimThere(id: number): boolean {
    return this.#children.has(this.#held.get(id)?.spawnedPid ?? 0);
  }

  isUnstarted(id: number): boolean {
    return this.#held.get(id)?.isUnstarted ?? false;
  }

  spawnRefusal(id: number): string | undefined {
    return this.#held.get(id)?.spawnRefused;
  }

  shim(id: number, identity: ProcessIdentity | undefined): Check {
    const held = this.#held.get(id);
    if (held?.isSpawning) return "match";
    if (held?.spawnedPid !== undefined) {
      return this.#children.has(held.spawnedPid) ? "match" : "mismatch";
    }
    return identity ? checkIdentity(identity, this.processes.observe(identity.pid)) : "mismatch";
  }

  leaderHandle(id: number): ProcessHandle | undefined {
    return this.#held.get(id)?.leader;
  }

  /** The exact exit status of an ended leader, where the kernel has told it. */
  leaderExit(id: number): ExitStatus | undefined {
    const held = this.#held.get(id);
    return held && (held.leaderExit = held.leader?.exitStatus() ?? held.leaderExit);
  }

  /** bytes: the most that one process of a job used whose shim we have reaped, where known. */
  maxMemory(id: number): number | undefined {
    return this.#held.get(id)?.maxMemory;
  }

  /** Takes note of a reaped child. Returns the job to look at; undefined for an orphan. */
  reaped(reaped: Reaped): number | undefined {
    const { pid, exit, maxMemory } = reaped;
    const id = this.#children.get(pid);
    this.#children.delete(pid);
    if (id !== undefined) {
      const held = this.#held.get(id);
      if (held) held.maxMemory = maxMemory;
      return id;
    }
    if (this.#spawning > 0) this.#strays.set(pid, reaped);
    for (const [id, held] of this.#held) {
      if (held.leaderPid !== pid || held.leaderExit) continue;
      // While its shim is there the leader is the shim's child: ours is another under its old pid.
      if (this.shim(id, held.shim?.identity) === "match") continue;
      held.leaderExit = exit;
      return id;
    }
    return undefined;
  }

  /**
   * Whether all our children are known shims: then no process of a job that we started ourselves is
   * left once its leader has ended, for what it left behind would have become our child.
   */
  hasKnownChildrenOnly(): boolean {
    return this.processes.children()?.every((pid) => this.#children.has(pid)) ?? false;
  }

  heldIds(): number[] {
    return [...this.#held.keys()];
  }

  letGo(id: number): void {
    const held = this.#held.get(id);
    held?.leader?.close();
    held?.shim?.close();
    this.#held.delete(id);
  }

  /** Its number may have been given again since it was another's. */
  #hasEnded(pid: number): Reaped | undefined {
    const stray = this.#strays.get(pid);
    return stray && this.processes.observe(pid).kind === "absent" ? stray : undefined;
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
