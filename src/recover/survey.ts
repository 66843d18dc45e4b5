/** Gathers the evidence of started jobs from files and /proc. It changes nothing. */

import { fromShell } from "../job/exit_status.ts";
import { checkIdentity, type Ground, type ProcessIdentity, sameGround } from "../job/identity.ts";
import type { StartedJob } from "../job/job.ts";
import { ticksToMs, wallMs } from "../host/clock.ts";
import { onlyKnownChildren, ProcessTable } from "../host/family.ts";
import type { Grip } from "../host/grip.ts";
import { observe } from "../host/proc.ts";
import type { RunFiles } from "../host/run_files.ts";
import { type ExitRecord, NOT_STARTED } from "../host/shim_script.ts";
import type { Evidence, Exit } from "./verdict.ts";

const ANOTHERS = {
  claim: "shim",
  shim: "mismatch",
  leader: "mismatch",
  refusal: "it was claimed before, by a start that the journal does not know of",
} as const;

export class Survey {
  #table?: ProcessTable;

  constructor(
    private readonly files: RunFiles,
    private readonly ground: Ground,
    private readonly grip?: Grip,
  ) {}

  /** Forgets the processes it has seen. */
  refresh(): void {
    this.#table = undefined;
  }

  look(job: StartedJob): Evidence {
    const base = {
      sameGround: sameGround(job.attempt.ground, this.ground),
      held: this.grip?.isHeld(job.id) ?? false,
      atMs: wallMs(),
    };
    try {
      return { ...base, ...this.#lookAtFiles(job, base.sameGround) };
    } catch (error) {
      const unreadable = error instanceof Error ? error.message : String(error);
      return { ...base, claim: "shim", shim: "unverifiable", leader: "unverifiable", unreadable };
    }
  }

  /** Every living process of the job but its shim. */
  family(job: StartedJob): ProcessIdentity[] {
    const { grip } = this;
    const known = grip?.hasSpawned(job.id) && onlyKnownChildren((pid) => grip.isKnownChild(pid));
    if (known && !this.#leaderAlive(job)) return [];
    const leader = grip?.leaderHandle(job.id)?.identity;
    const shim = job.state === "RUNNING" ? job.shim : this.#claim(job).shimIdentity;
    return this.#processes().family({ token: job.attempt.token, shim, leader });
  }

  #lookAtFiles(
    job: StartedJob,
    sameGround: boolean,
  ): Omit<Evidence, "sameGround" | "held" | "atMs"> {
    if (this.#isAnothersClaim(job)) return ANOTHERS;
    const signed = this.#claim(job);
    const shim = sameGround ? this.#checkShim(job, signed.shimIdentity) : "mismatch";
    const record = this.files.exitRecord(job.id);
    const leaderIdentity = job.state === "RUNNING" ? job.leader : this.files.leader(job.id);
    const startedAtMs = job.state === "RUNNING" ? job.startedAtMs : this.files.startedAtMs(job.id);
    const leader = sameGround && leaderIdentity
      ? checkIdentity(leaderIdentity, observe(leaderIdentity.pid))
      : "mismatch";
    const ended = leader === "mismatch" && shim === "mismatch";
    return {
      ...signed,
      shim,
      leaderIdentity,
      leader,
      startedAtMs,
      exit: record ? this.#recorded(job, record) : ended ? this.#witnessed(job) : undefined,
      refusal: this.#refusal(job, record),
    };
  }

  /** Under a journal that is older than its runs, a start can have been claimed already. */
  #isAnothersClaim(job: StartedJob): boolean {
    if (job.state === "RUNNING") return false;
    const found = this.files.claim(job.id, job.attempt.number);
    return found?.kind === "signed" && found.token !== job.attempt.token;
  }

  #claim(job: StartedJob): Pick<Evidence, "claim" | "shimIdentity"> {
    if (job.state === "RUNNING") return { claim: "shim", shimIdentity: job.shim };
    const found = this.files.claim(job.id, job.attempt.number);
    if (!found) return { claim: "none" };
    if (found.kind === "fence") return { claim: "fence" };
    const identity = found.kind === "signed" ? found.shim : this.#unsignedShim(job);
    return { claim: "shim", shimIdentity: identity };
  }

  #unsignedShim(job: StartedJob): ProcessIdentity | undefined {
    if (this.grip?.hasSpawned(job.id)) return undefined;
    return this.#processes().shimOf(job.attempt.token);
  }

  #checkShim(job: StartedJob, identity: ProcessIdentity | undefined) {
    if (this.grip) return this.grip.shim(job.id, identity);
    return identity ? checkIdentity(identity, observe(identity.pid)) : "mismatch";
  }

  #leaderAlive(job: StartedJob): boolean {
    if (job.state !== "RUNNING") return false;
    return checkIdentity(job.leader, observe(job.leader.pid)) !== "mismatch";
  }

  #recorded(job: StartedJob, record: ExitRecord & { atMs: number }): Exit {
    return {
      status: this.grip?.leaderExit(job.id) ?? fromShell(record.status),
      usage: {
        userTimeMs: ticksToMs(record.userTicks),
        systemTimeMs: ticksToMs(record.systemTicks),
      },
      atMs: record.atMs,
    };
  }

  /** The exit of a leader whose shim died before it could record it, if the kernel told us. */
  #witnessed(job: StartedJob): Exit | undefined {
    const status = this.grip?.leaderExit(job.id);
    return status && { status, atMs: wallMs() };
  }

  #refusal(job: StartedJob, record: ExitRecord | undefined): string | undefined {
    const unspawned = this.grip?.spawnRefusal(job.id);
    if (unspawned !== undefined) return unspawned;
    return record?.status === NOT_STARTED ? this.files.refusal(job.id) : undefined;
  }

  #processes(): ProcessTable {
    return this.#table ??= new ProcessTable();
  }
}
