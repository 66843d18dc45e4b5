/**
 * A simulated state directory: what shims and the supervisor have written of runs and ends. It can be
 * full, and a power cut can take what was written last.
 */

import { fromShell } from "../../src/job/exit_status.ts";
import type { ProcessIdentity } from "../../src/job/identity.ts";
import type { Claim, ExitRecord, Files } from "../../src/ports.ts";
import type { Chance } from "./chance.ts";

interface Run {
  claims: Map<number, { claim: Claim; atMs: number }>;
  leader?: { identity: ProcessIdentity; atMs: number };
  refused?: { why: string; atMs: number };
}

class DiskFull extends Error {
  constructor() {
    super("No space left on device (os error 28)");
  }
}

/** What was written longer ago has reached the disk. */
const WRITE_BACK_MS = 30_000;

export class Disk implements Files {
  isFull = false;
  #runs = new Map<number, Run>();
  #exits = new Map<number, { status: number; atMs: number }>();

  constructor(private readonly now: () => number) {}

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
    if (!record) return undefined;
    const refusal = record.status === 127 ? this.#runs.get(id)?.refused?.why : undefined;
    return { ...record, userTicks: 1, systemTicks: 1, refusal };
  }

  fence(id: number, attempt: number): boolean {
    this.create(id);
    return this.writeClaim(id, attempt, { kind: "fence" }) ||
      this.claim(id, attempt)?.kind === "fence";
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

  /** With O_EXCL: false when there is one. */
  writeClaim(id: number, attempt: number, claim: Claim): boolean {
    this.#mayWrite();
    const { claims } = this.#runs.get(id)!;
    if (claims.has(attempt)) return false;
    claims.set(attempt, { claim, atMs: this.now() });
    return true;
  }

  signClaim(id: number, attempt: number, claim: Claim): void {
    this.#mayWrite();
    this.#runs.get(id)!.claims.set(attempt, { claim, atMs: this.now() });
  }

  writeLeader(id: number, identity: ProcessIdentity): void {
    this.#mayWrite();
    this.#runs.get(id)!.leader = { identity, atMs: this.now() };
  }

  writeRefused(id: number, why: string): void {
    this.#mayWrite();
    this.#runs.get(id)!.refused = { why, atMs: this.now() };
  }

  writeExit(id: number, status: number): void {
    this.#mayWrite();
    this.#exits.set(id, { status, atMs: this.now() });
  }

  /** What `$?` told of a job's end, if its record is there. */
  recorded(id: number) {
    const record = this.#exits.get(id);
    return record && fromShell(record.status);
  }

  /** Any file that was written lately may be lost, each by itself. */
  powerCut(chance: Chance): void {
    const isLost = ({ atMs }: { atMs: number }) =>
      this.now() - atMs < WRITE_BACK_MS && chance.oneIn(3);
    for (const run of this.#runs.values()) {
      for (const [attempt, claim] of run.claims) if (isLost(claim)) run.claims.delete(attempt);
      if (run.leader && isLost(run.leader)) run.leader = undefined;
      if (run.refused && isLost(run.refused)) run.refused = undefined;
    }
    for (const [id, record] of this.#exits) if (isLost(record)) this.#exits.delete(id);
  }

  #mayWrite(): void {
    if (this.isFull) throw new DiskFull();
  }
}
