/** Gathers the evidence of started jobs from files and /proc. It changes nothing. */

import { fromShell, isSuccess } from "../job/exit_status.ts";
import { checkIdentity, type ProcessIdentity, sameGround } from "../job/identity.ts";
import type { StartedJob, Usage } from "../job/job.ts";
import type { Cgroups, Claim, Clock, ExitRecord, Living, Processes, RunRecords } from "../ports.ts";
import { cgroupOf, familyOf, shimAmong } from "./family.ts";
import type { Grip } from "./grip.ts";
import { largerUsage, recordedUsage } from "./usage.ts";
import type { Evidence, Exit } from "./verdict.ts";

export interface SurveyParts {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly files: RunRecords;
  /** Absent where nothing is held, as in a dry run. */
  readonly grip?: Grip;
  /** Absent where there are none. */
  readonly cgroups?: Cgroups;
}

const ANOTHERS = {
  claim: "shim",
  shim: "mismatch",
  leader: "mismatch",
  refusal: "it was claimed before, by a start that the journal does not know of",
} as const;

export class Survey {
  #living?: Living[];

  constructor(private readonly parts: SurveyParts) {}

  /** Forgets the processes it has seen. */
  refresh(): void {
    this.#living = undefined;
  }

  look(job: StartedJob): Evidence {
    const { clock, processes, grip } = this.parts;
    const base = {
      sameGround: sameGround(job.attempt.ground, processes.ground),
      held: grip?.isHeld(job.id) ?? false,
      unstarted: grip?.isUnstarted(job.id) ?? false,
      atMs: clock.wallMs(),
    };
    try {
      return { ...base, ...this.#lookAtFiles(job, base.sameGround) };
    } catch (error) {
      const unreadable = error instanceof Error ? error.message : String(error);
      return { ...base, claim: "shim", shim: "unverifiable", leader: "unverifiable", unreadable };
    }
  }

  /** Every living process of the job but its shim; undefined when it must be looked at again. */
  family(job: StartedJob): ProcessIdentity[] | undefined {
    const { grip } = this.parts;
    const inside = this.#inCgroup(job);
    if (!inside) return undefined;
    const isAlone = inside.length === 0 && grip?.hasSpawned(job.id) && grip.hasKnownChildrenOnly();
    if (isAlone && !this.#leaderAlive(job)) return [];
    const shim = this.#signed(job, this.#claim(job)).shimIdentity;
    // Asked after the processes were read, so that it held while they were.
    const living = this.#alive();
    const handle = grip?.leaderHandle(job.id);
    const leader = handle?.holdsItsPid() ? handle.identity : undefined;
    // Outside there can be those of a job that may move its processes, and its leader before it joins.
    const found = familyOf({ token: job.attempt.token, shim, leader }, living);
    if (!found) return inside.length > 0 ? inside : undefined;
    return [...inside, ...found.filter(({ pid }) => !inside.some((member) => member.pid === pid))];
  }

  #inCgroup(job: StartedJob): ProcessIdentity[] | undefined {
    const { cgroups } = this.parts;
    const cgroup = cgroupOf(job, cgroups);
    return cgroup === undefined || !cgroups ? [] : cgroups.members(cgroup);
  }

  #lookAtFiles(
    job: StartedJob,
    sameGround: boolean,
    claim = this.#claim(job),
  ): Omit<Evidence, "sameGround" | "held" | "unstarted" | "atMs"> {
    // Under a journal that is older than its runs, a start can have been claimed already.
    if (claim?.kind === "signed" && claim.token !== job.attempt.token) return ANOTHERS;
    const signed = this.#signed(job, claim);
    const shim = sameGround ? this.#checkShim(job, signed.shimIdentity) : "mismatch";
    const { files } = this.parts;
    const record = files.exitRecord(job.id);
    const leaderIdentity = job.state === "RUNNING" ? job.leader : files.leader(job.id);
    if (job.state === "STARTING" && claim?.kind !== "signed" && leaderIdentity) {
      // A leader has its name after the claim has been signed, which happened since it was read.
      const now = this.#claim(job);
      if (now?.kind === "signed") return this.#lookAtFiles(job, sameGround, now);
    }
    const startedAtMs = job.state === "RUNNING" ? job.startedAtMs : files.startedAtMs(job.id);
    const found = sameGround && leaderIdentity
      ? this.parts.processes.observe(leaderIdentity.pid)
      : undefined;
    const leader = found && leaderIdentity ? checkIdentity(leaderIdentity, found) : "mismatch";
    const ended = leader === "mismatch" && shim === "mismatch";
    const exit = record ? this.#recorded(job, record) : ended ? this.#witnessed(job) : undefined;
    return {
      ...signed,
      shim,
      leaderIdentity,
      leader,
      startStep: leader === "match" && found?.kind === "present" ? found.startStep : undefined,
      startedAtMs,
      exit,
      ranOutOfMemory: exit && !isSuccess(exit.status) && this.#ranOutOfMemory(job),
      refusal: this.parts.grip?.spawnRefusal(job.id) ?? record?.refusal,
    };
  }

  /** Of a job that has not been seen to run; after that its row says what the claim said. */
  #claim(job: StartedJob): Claim | undefined {
    if (job.state === "RUNNING") return undefined;
    return this.parts.files.claim(job.id, job.attempt.number);
  }

  #signed(job: StartedJob, claim: Claim | undefined): Pick<Evidence, "claim" | "shimIdentity"> {
    if (job.state === "RUNNING") return { claim: "shim", shimIdentity: job.shim };
    if (!claim) return { claim: "none" };
    if (claim.kind === "fence") return { claim: "fence" };
    const identity = claim.kind === "signed" ? claim.shim : this.#unsignedShim(job);
    return { claim: "shim", shimIdentity: identity };
  }

  #unsignedShim(job: StartedJob): ProcessIdentity | undefined {
    if (this.parts.grip?.hasSpawned(job.id)) return undefined;
    return shimAmong(job.attempt.token, this.#alive());
  }

  #checkShim(job: StartedJob, identity: ProcessIdentity | undefined) {
    const { grip } = this.parts;
    if (grip) return grip.shim(job.id, identity);
    return identity ? this.#check(identity) : "mismatch";
  }

  #leaderAlive(job: StartedJob): boolean {
    const leader = job.state === "RUNNING" ? job.leader : this.parts.files.leader(job.id);
    return leader !== undefined && this.#check(leader) !== "mismatch";
  }

  #check(identity: ProcessIdentity) {
    return checkIdentity(identity, this.parts.processes.observe(identity.pid));
  }

  #recorded(job: StartedJob, record: ExitRecord): Exit {
    const recorded = recordedUsage(record, this.parts.grip?.maxMemory(job.id));
    const ofCgroup = this.#usage(job);
    return {
      status: this.parts.grip?.leaderExit(job.id) ?? fromShell(record.status),
      usage: ofCgroup ? largerUsage(recorded, ofCgroup) : recorded,
      atMs: record.atMs,
    };
  }

  /** The exit of a leader whose shim died before it could record it, if the kernel told us. */
  #witnessed(job: StartedJob): Exit | undefined {
    const status = this.parts.grip?.leaderExit(job.id);
    return status && { status, usage: this.#usage(job), atMs: this.parts.clock.wallMs() };
  }

  #usage(job: StartedJob): Usage | undefined {
    const cgroup = cgroupOf(job, this.parts.cgroups);
    return cgroup === undefined ? undefined : this.parts.cgroups?.usage(cgroup);
  }

  #ranOutOfMemory(job: StartedJob): boolean {
    const cgroup = cgroupOf(job, this.parts.cgroups);
    return cgroup !== undefined && this.parts.cgroups?.ranOutOfMemory(cgroup) === true;
  }

  #alive(): Living[] {
    return this.#living ??= this.parts.processes.living();
  }
}
