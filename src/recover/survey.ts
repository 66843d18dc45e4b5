/**
 * Gathers the evidence of started jobs: from what their shims have told, and where that is not enough
 * from files and /proc. It changes nothing.
 */

import { isSuccess } from "../job/exit_status.ts";
import { type Check, checkIdentity, type ProcessIdentity, sameGround } from "../job/identity.ts";
import type { StartedJob, Usage } from "../job/job.ts";
import type { Cgroups, Claim, Clock, LeaderEnd, Living, Processes, RunRecords } from "../ports.ts";
import { cgroupOf, familyOf, shimAmong } from "./family.ts";
import type { Grip } from "./grip.ts";
import type { Told } from "./told.ts";
import { largerUsage } from "./usage.ts";
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

type Found = Omit<Evidence, "sameGround" | "held" | "atMs">;

/** Who has claimed an attempt. */
interface Signed {
  readonly claim: Evidence["claim"];
  readonly identity?: ProcessIdentity;
  readonly isAnothers?: boolean;
}

const isSigned = ({ claim, identity }: Signed) => claim === "shim" && identity !== undefined;

const ANOTHERS: Found = {
  claim: "shim",
  shim: "mismatch",
  leader: "mismatch",
  refusal: {
    why: "it was claimed before, by a start that the journal does not know of",
    by: "job",
  },
};
/** A shim that was asked for is on its way for so long, though nothing has been told of it. */
const ON_ITS_WAY_MS = 5000;
/** What a leader ends with that has executed nothing. */
const NOT_STARTED = 127;

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
      atMs: clock.wallMs(),
    };
    try {
      const told = grip?.told(job);
      const found = told?.end || told?.refusal
        ? this.#whatWasTold(job, told)
        : this.#lookAround(job, base.sameGround, told);
      return { ...base, ...found };
    } catch (error) {
      const unreadable = error instanceof Error ? error.message : String(error);
      return { ...base, claim: "shim", shim: "unverifiable", leader: "unverifiable", unreadable };
    }
  }

  /** Every living process of the job but its shim; undefined when it must be looked at again. */
  family(job: StartedJob): ProcessIdentity[] | undefined {
    const { grip, files, processes } = this.parts;
    const inside = this.#inCgroup(job);
    if (!inside) return undefined;
    const told = grip?.told(job);
    if (told?.finalUsage ?? files.finalUsage(job.id)) return inside;
    // On another ground its name is anybody's.
    const isSameGround = sameGround(job.attempt.ground, processes.ground);
    const shim = isSameGround ? this.#signed(job, told).identity : undefined;
    // Who has a line to us is a subreaper, whom nobody of its job leaves.
    const below = shim && told && !told.isSilent ? processes.descendants(shim) : undefined;
    if (below) return below.length + inside.length > 0 ? union(inside, below) : undefined;
    // Asked after the processes were read, so that it held while they were.
    const living = this.#alive();
    const handle = grip?.leaderHandle(job.id);
    const leader = handle?.holdsItsPid() ? handle.identity : undefined;
    // Outside there can be those of a job that may move its processes, and its leader before it joins.
    const found = familyOf({ token: job.attempt.token, shim, leader }, living);
    if (!found) return inside.length > 0 ? inside : undefined;
    return union(inside, found);
  }

  #inCgroup(job: StartedJob): ProcessIdentity[] | undefined {
    const { cgroups } = this.parts;
    const cgroup = cgroupOf(job, cgroups);
    return cgroup === undefined || !cgroups ? [] : cgroups.members(cgroup);
  }

  #whatWasTold(job: StartedJob, told: Told): Found {
    const { isExecuted, end, refusal, isSilent } = told;
    const { files } = this.parts;
    // What was not heard, or was told to the supervisor before.
    const shim = told.shim ?? this.#signed(job, told).identity;
    const leader = told.leader ?? (job.state === "RUNNING" ? job.leader : files.leader(job.id));
    const startedAtMs = told.startedAtMs ??
      (job.state === "RUNNING" ? job.startedAtMs : files.startedAtMs(job.id));
    const exit = end && this.#exit(job, { ...end, usage: told.finalUsage ?? end.usage });
    return {
      claim: told.isClaimed ? "shim" : "none",
      shim: isSilent ? "mismatch" : "match",
      shimIdentity: shim,
      leader: "mismatch",
      leaderIdentity: leader,
      startedAtMs,
      // Its shim tells an end of its own of what was executed alone.
      isExecuted: isExecuted || (end && !refusal),
      exit,
      ranOutOfMemory: exit && this.#ranOutOfMemory(job, exit),
      refusal,
    };
  }

  /** The shim is looked at before the exit record is read: one that is gone has written none since. */
  #lookAround(job: StartedJob, sameGround: boolean, told: Told | undefined): Found {
    const { files, processes } = this.parts;
    const isRunning = job.state === "RUNNING";
    const signed = this.#signed(job, told);
    if (signed.isAnothers) return ANOTHERS;
    const shim = sameGround ? this.#checkShim(job, signed.identity, told) : "mismatch";
    const leaderIdentity = isRunning ? job.leader : told?.leader ?? files.leader(job.id);
    if (!isRunning && leaderIdentity && !isSigned(signed)) {
      // A leader has its name after the claim, which was made since it was looked for.
      if (isSigned(this.#signed(job, told))) return this.#lookAround(job, sameGround, told);
    }
    const found = sameGround && leaderIdentity && processes.observe(leaderIdentity.pid);
    const leader = found && leaderIdentity ? checkIdentity(leaderIdentity, found) : "mismatch";
    const startStep = leader === "match" && found && found.kind === "present"
      ? found.startStep
      : undefined;
    const record = files.exitRecord(job.id);
    const exit = record
      ? this.#exit(job, { ...record, usage: files.finalUsage(job.id) ?? record.usage })
      : leader === "mismatch" && shim === "mismatch"
      ? this.#witnessed(job, told, sameGround ? leaderIdentity : undefined)
      : undefined;
    return {
      claim: signed.claim,
      shimIdentity: signed.identity,
      shim,
      leaderIdentity,
      leader,
      startStep,
      isExecuted: told?.isExecuted || (record ? !record.refusal : exit?.status.signal === 0),
      startedAtMs: isRunning ? job.startedAtMs : told?.startedAtMs ?? files.startedAtMs(job.id),
      exit,
      ranOutOfMemory: exit && this.#ranOutOfMemory(job, exit),
      refusal: record?.refusal,
    };
  }

  /** Who has claimed it. Of a job that was seen to run its row says what the claim said. */
  #signed(job: StartedJob, told: Told | undefined): Signed {
    if (job.state === "RUNNING") return { claim: "shim", identity: job.shim };
    const { files } = this.parts;
    if (told?.isClaimed && told.shim) {
      return { claim: files.hasRun(job.id) ? "shim" : "lost", identity: told.shim };
    }
    const claim: Claim | undefined = files.claim(job.id, job.attempt.number);
    switch (claim?.kind) {
      case undefined:
        return { claim: files.hasRun(job.id) ? "none" : "lost", identity: told?.shim };
      case "fence":
        return { claim: "fence" };
      case "unsigned":
        return { claim: "shim", identity: shimAmong(job.attempt.token, this.#alive()) };
      case "signed":
        // Under a journal that is older than its runs, a start can have been claimed already.
        return {
          claim: "shim",
          identity: claim.shim,
          isAnothers: claim.token !== job.attempt.token,
        };
    }
  }

  #checkShim(
    job: StartedJob,
    identity: ProcessIdentity | undefined,
    told: Told | undefined,
  ): Check {
    if (identity) return checkIdentity(identity, this.parts.processes.observe(identity.pid));
    const askedBootMs = this.parts.grip?.askedBootMs(job);
    const isOnItsWay = askedBootMs !== undefined && !told?.isSilent &&
      this.parts.clock.bootMs() < askedBootMs + ON_ITS_WAY_MS;
    return isOnItsWay ? "match" : "mismatch";
  }

  #exit(job: StartedJob, end: LeaderEnd): Exit {
    const ofCgroup = this.#usage(job);
    return {
      status: this.parts.grip?.leaderExit(job.id) ?? end.exit,
      usage: ofCgroup ? largerUsage(end.usage, ofCgroup) : end.usage,
      atMs: end.atMs,
    };
  }

  /** The exit of a leader whose shim died before it could record it, if the kernel told us. */
  #witnessed(
    job: StartedJob,
    told: Told | undefined,
    leader: ProcessIdentity | undefined,
  ): Exit | undefined {
    const { grip } = this.parts;
    const status = grip?.leaderExit(job.id) ?? (leader && grip?.strayExit(leader));
    if (!status) return undefined;
    // It may have waited for its shim's word, and executed nothing.
    const mayBeUnstarted = job.state === "STARTING" && !told?.isExecuted;
    if (mayBeUnstarted && status.code === NOT_STARTED) return undefined;
    return { status, usage: this.#usage(job), atMs: this.parts.clock.wallMs() };
  }

  #usage(job: StartedJob): Usage | undefined {
    const cgroup = cgroupOf(job, this.parts.cgroups);
    return cgroup === undefined ? undefined : this.parts.cgroups?.usage(cgroup);
  }

  #ranOutOfMemory(job: StartedJob, exit: Exit): boolean {
    if (isSuccess(exit.status)) return false;
    const cgroup = cgroupOf(job, this.parts.cgroups);
    return cgroup !== undefined && this.parts.cgroups?.ranOutOfMemory(cgroup) === true;
  }

  #alive(): Living[] {
    return this.#living ??= this.parts.processes.living();
  }
}

function union(some: ProcessIdentity[], others: ProcessIdentity[]): ProcessIdentity[] {
  const pids = new Set(some.map(({ pid }) => pid));
  return [...some, ...others.filter(({ pid }) => !pids.has(pid))];
}
