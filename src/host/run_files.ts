/** The files of runs in a state directory: `runs/<id>/` and `exits/<id>`. */

import type { ProcessIdentity } from "../job/identity.ts";
import type { Usage } from "../job/job.ts";
import type { Claim, ExitRecord, Files, Refusal } from "../ports.ts";
import { makeDirectory, removeFile } from "./entries.ts";
import {
  claimName,
  FENCE,
  parseClaim,
  parseEndRecord,
  parseProc,
  parseUsage,
} from "./run_records.ts";
import { readSmallFile } from "./small_file.ts";
import { parseRefused, refusalOf } from "./start_refusal.ts";

export class RunFiles implements Files {
  readonly #runs: string;
  readonly #exits: string;

  constructor(stateDirectory: string) {
    this.#runs = `${stateDirectory}/runs`;
    this.#exits = `${stateDirectory}/exits`;
  }

  /** Makes the directories of a supervisor that starts. */
  prepare(): void {
    for (const path of [this.#runs, this.#exits]) Deno.mkdirSync(path, { recursive: true });
  }

  create(id: number): void {
    makeDirectory(`${this.#runs}/${id}`, 0o700);
  }

  claim(id: number, attempt: number): Claim | undefined {
    const text = readSmallFile(this.#claimPath(id, attempt));
    return text === undefined ? undefined : parseClaim(text);
  }

  claimedAtMs(id: number, attempt: number): number | undefined {
    return modifiedAtMs(this.#claimPath(id, attempt));
  }

  leader(id: number): ProcessIdentity | undefined {
    return parseProc(readSmallFile(this.#procPath(id)) ?? "");
  }

  startedAtMs(id: number): number | undefined {
    return modifiedAtMs(this.#procPath(id));
  }

  exitRecord(id: number): ExitRecord | undefined {
    const path = this.#exitPath(id);
    const record = parseEndRecord(readSmallFile(path) ?? "");
    if (!record) return undefined;
    const { exit, usage, isRefused, isOfShell, atMs } = record;
    const refusal = isRefused ? this.#refusal(id, isOfShell) : undefined;
    return { exit, usage, refusal, atMs: atMs ?? modifiedAtMs(path) ?? Date.now() };
  }

  /** A record that is final makes a second file needless. */
  finalUsage(id: number): Usage | undefined {
    const usage = parseUsage(readSmallFile(`${this.#runs}/${id}/usage`) ?? "");
    if (usage) return usage;
    const record = parseEndRecord(readSmallFile(this.#exitPath(id)) ?? "");
    return record?.isFinal ? record.usage : undefined;
  }

  hasRun(id: number): boolean {
    return isThere(`${this.#runs}/${id}`);
  }

  /**
   * The link makes a claim that is never seen empty. What a power cut has left of an attempt whose
   * claim it took would say of the next one that nobody of it is left.
   */
  fence(id: number, attempt: number): boolean {
    removeFile(`${this.#runs}/${id}/usage`);
    const claim = this.#claimPath(id, attempt);
    const ours = `${claim}.fence`;
    try {
      Deno.writeTextFileSync(ours, FENCE);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
    try {
      Deno.linkSync(ours, claim);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      return this.claim(id, attempt)?.kind === "fence";
    } finally {
      removeFile(ours);
    }
    return true;
  }

  removeExitRecord(id: number): void {
    removeFile(this.#exitPath(id));
  }

  removeRun(id: number): void {
    try {
      Deno.removeSync(`${this.#runs}/${id}`, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  runIds(): number[] {
    return ids(this.#runs);
  }

  exitIds(): number[] {
    return ids(this.#exits);
  }

  /** A shell shim wrote it in words; where it wrote none its command has ended by itself. */
  #refusal(id: number, isOfShell: boolean): Refusal | undefined {
    const text = readSmallFile(`${this.#runs}/${id}/refused`);
    if (isOfShell) return text === undefined ? undefined : { why: text.trimEnd(), by: "job" };
    const step = parseRefused(text ?? "");
    return step ? refusalOf(step) : { why: "nothing was executed", by: "node" };
  }

  #claimPath(id: number, attempt: number): string {
    return `${this.#runs}/${id}/${claimName(attempt)}`;
  }

  #procPath(id: number): string {
    return `${this.#runs}/${id}/proc`;
  }

  #exitPath(id: number): string {
    return `${this.#exits}/${id}`;
  }
}

function modifiedAtMs(path: string): number | undefined {
  try {
    return Deno.statSync(path).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** None where no supervisor has made the directory yet. */
function ids(directory: string): number[] {
  try {
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    return names.map(Number).filter(Number.isSafeInteger);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
