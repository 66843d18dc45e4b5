/**
 * The files of runs: `runs/<id>/` and `exits/<id>`. Shims write them, the supervisor reads them; it
 * writes only the fence. Each function either has happened or has not if we die in it.
 */

import {
  type Claim,
  claimName,
  type ExitRecord,
  FENCE,
  parseClaim,
  parseExitRecord,
  parseProc,
} from "./shim_script.ts";
import { readSmallFile } from "./small_file.ts";
import type { ProcessIdentity } from "../job/identity.ts";

export class RunFiles {
  readonly #runs: string;
  readonly #exits: string;

  constructor(stateDirectory: string) {
    this.#runs = `${stateDirectory}/runs`;
    this.#exits = `${stateDirectory}/exits`;
    for (const path of [this.#runs, this.#exits]) Deno.mkdirSync(path, { recursive: true });
  }

  /** Makes the directory that a shim needs; it may be there already. */
  create(id: number): void {
    Deno.mkdirSync(`${this.#runs}/${id}`, { recursive: true, mode: 0o700 });
  }

  claim(id: number, attempt: number): Claim | undefined {
    const text = readSmallFile(`${this.#runs}/${id}/${claimName(attempt)}`);
    return text === undefined ? undefined : parseClaim(text);
  }

  leader(id: number): ProcessIdentity | undefined {
    return parseProc(readSmallFile(this.#procPath(id)) ?? "");
  }

  /** When the leader's identity was written, wall clock ms. */
  startedAtMs(id: number): number | undefined {
    return modifiedAtMs(this.#procPath(id));
  }

  /** Why the command could not be executed. */
  refusal(id: number): string | undefined {
    return readSmallFile(`${this.#runs}/${id}/refused`)?.trimEnd();
  }

  exitRecord(id: number): (ExitRecord & { atMs: number }) | undefined {
    const path = this.#exitPath(id);
    const record = parseExitRecord(readSmallFile(path) ?? "");
    return record && { ...record, atMs: modifiedAtMs(path) ?? Date.now() };
  }

  /**
   * Forbids an attempt by claiming it ourselves. True when the claim is ours, now or since before;
   * false when a shim was first. The link makes a claim that is never seen empty.
   */
  fence(id: number, attempt: number): boolean {
    this.create(id);
    const claim = `${this.#runs}/${id}/${claimName(attempt)}`;
    const ours = `${claim}.fence`;
    Deno.writeTextFileSync(ours, FENCE);
    try {
      Deno.linkSync(ours, claim);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      return this.claim(id, attempt)?.kind === "fence";
    } finally {
      Deno.removeSync(ours);
    }
    return true;
  }

  /** To be called only when the end is in the journal. */
  removeExitRecord(id: number): void {
    remove(this.#exitPath(id), { recursive: false });
  }

  removeRun(id: number): void {
    remove(`${this.#runs}/${id}`, { recursive: true });
  }

  logPath(id: number, stream: "stdout" | "stderr"): string {
    return `${this.#runs}/${id}/${stream}.log`;
  }

  runIds(): number[] {
    return ids(this.#runs);
  }

  exitIds(): number[] {
    return ids(this.#exits);
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

function remove(path: string, options: { recursive: boolean }): void {
  try {
    Deno.removeSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function ids(directory: string): number[] {
  return [...Deno.readDirSync(directory)].map((entry) => Number(entry.name)).filter(
    Number.isSafeInteger,
  );
}
