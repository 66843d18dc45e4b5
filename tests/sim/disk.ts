/**
 * A simulated state directory: what shims and the supervisor have written of runs and ends. It can be
 * full, and a power cut can take what was written last.
 */

import type { ExitStatus } from "../../src/job/exit_status.ts";
import type { ProcessIdentity } from "../../src/job/identity.ts";
import type { Usage } from "../../src/job/job.ts";
import type { Claim, ExitRecord, Files, LeaderEnd, Refusal } from "../../src/ports.ts";
import type { Chance } from "./chance.ts";

interface Run {
  claims: Map<number, { claim: Claim; atMs: number }>;
  leader?: { identity: ProcessIdentity; atMs: number };
  refused?: { refusal: Refusal; atMs: number };
  usage?: { usage: Usage; atMs: number };
}

/** isFinal: nobody of the job was left then; isRefused: nothing was executed. */
interface RecordedEnd extends LeaderEnd {
  readonly isFinal: boolean;
  readonly isRefused: boolean;
}

/** What goes with the run directory. */
export class RunGone extends Error {
  constructor() {
    super("No such file or directory (os error 2)");
  }
}

export class DiskFull extends Error {
  constructor() {
    super("No space left on device (os error 28)");
  }
}

/** What was written longer ago has reached the disk. */
const WRITE_BACK_MS = 30_000;
/** What a leader ends with that has executed nothing. */
export const NOT_STARTED = 127;

export class Disk implements Files {
  isFull = false;
  #runs = new Map<number, Run>();
  #exits = new Map<number, RecordedEnd>();

  /** `now`: wall clock, ms since 1970. */
  constructor(readonly now: () => number) {}

  create(id: number): void {
    this.#mayWrite();
    if (!this.#runs.has(id)) this.#runs.set(id, { claims: new Map() });
  }

  claim(id: number, attempt: number): Claim | undefined {
    return this.#runs.get(id)?.claims.get(attempt)?.claim;
  }

  claimedAtMs(id: number, attempt: number): number | undefined {
    return this.#runs.get(id)?.claims.get(attempt)?.atMs;
  }

  leader(id: number): ProcessIdentity | undefined {
    return this.#runs.get(id)?.leader?.identity;
  }

  startedAtMs(id: number): number | undefined {
    return this.#runs.get(id)?.leader?.atMs;
  }

  exitRecord(id: number): ExitRecord | undefined {
    const record = this.#exits.get(id);
    const refusal = record?.isRefused ? this.#runs.get(id)?.refused?.refusal : undefined;
    return record && { ...record, refusal };
  }

  finalUsage(id: number): Usage | undefined {
    const record = this.#exits.get(id);
    return this.#runs.get(id)?.usage?.usage ?? (record?.isFinal ? record.usage : undefined);
  }

  fence(id: number, attempt: number): boolean {
    const run = this.#runs.get(id);
    if (!run) return false;
    run.usage = undefined;
    return this.link(id, attempt, { kind: "fence" }) || this.claim(id, attempt)?.kind === "fence";
  }

  removeExitRecord(id: number): void {
    this.#exits.delete(id);
  }

  removeRun(id: number): void {
    this.#runs.delete(id);
  }

  runIds(): number[] {
    return [...this.#runs.keys()];
  }

  exitIds(): number[] {
    return [...this.#exits.keys()];
  }

  hasRun(id: number): boolean {
    return this.#runs.has(id);
  }

  /** As by link(2), written aside before: false when there is one. */
  link(id: number, attempt: number, claim: Claim): boolean {
    const { claims } = this.#runToWrite(id);
    if (claims.has(attempt)) return false;
    claims.set(attempt, { claim, atMs: this.now() });
    return true;
  }

  writeLeader(id: number, identity: ProcessIdentity): void {
    this.#runToWrite(id).leader = { identity, atMs: this.now() };
  }

  writeRefused(id: number, refusal: Refusal): void {
    this.#runToWrite(id).refused = { refusal, atMs: this.now() };
  }

  writeUsage(id: number, usage: Usage): void {
    this.#runToWrite(id).usage = { usage, atMs: this.now() };
  }

  /** Its directory is another than that of its run. */
  writeExit(id: number, end: RecordedEnd): void {
    this.#mayWrite();
    this.#exits.set(id, end);
  }

  /** How a job ended, if its record is there. */
  recorded(id: number): ExitStatus | undefined {
    return this.#exits.get(id)?.exit;
  }

  /** Any file that was written lately may be lost, each by itself. */
  powerCut(chance: Chance): void {
    const isLost = ({ atMs }: { atMs: number }) =>
      this.now() - atMs < WRITE_BACK_MS && chance.oneIn(3);
    for (const run of this.#runs.values()) {
      for (const [attempt, claim] of run.claims) if (isLost(claim)) run.claims.delete(attempt);
      if (run.leader && isLost(run.leader)) run.leader = undefined;
      if (run.refused && isLost(run.refused)) run.refused = undefined;
      if (run.usage && isLost(run.usage)) run.usage = undefined;
    }
    for (const [id, record] of this.#exits) if (isLost(record)) this.#exits.delete(id);
  }

  #runToWrite(id: number): Run {
    this.#mayWrite();
    const run = this.#runs.get(id);
    if (!run) throw new RunGone();
    return run;
  }

  #mayWrite(): void {
    if (this.isFull) throw new DiskFull();
  }
}
