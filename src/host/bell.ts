/**
 * The bell: a FIFO in the state directory into which a shim writes its job's id once its leader is
 * known. It is a hint to look; a ring that is lost costs time, never truth.
 */

import { type Reactor, READABLE } from "./reactor.ts";
import { cString, libc, must, O_CLOEXEC, O_NONBLOCK, O_RDWR } from "./libc.ts";

/**
 * How long a ring may wait. Most short jobs have ended by then, and their start and end share one
 * commit; nobody minds to see a job STARTING for so long.
 */
const PATIENCE_MS = 20;

export class Bell {
  readonly #fd: number;
  #rung = new Set<number>();
  #buffer = new Uint8Array(65536);
  #rest = "";
  #decoder = new TextDecoder();

  /** `answer` is called with the ids that have rung, not before the reactor runs. Throws SystemError. */
  constructor(stateDirectory: string, reactor: Reactor, answer: (id: number) => void) {
    const path = `${stateDirectory}/bell`;
    const found = statOf(path);
    if (found && !found.isFifo) Deno.removeSync(path);
    if (!found?.isFifo) must(`mkfifo ${path}`, libc.mkfifo(cString(path), 0o600));
    // Open for writing too, so that it never reads as closed while no shim has it open.
    this.#fd = must(`open ${path}`, libc.open(cString(path), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0));
    reactor.add(this.#fd, READABLE, () => {
      if (this.#rung.size === 0) {
        setTimeout(() => {
          const ids = [...this.#rung];
          this.#rung.clear();
          ids.forEach(answer);
        }, PATIENCE_MS);
      }
      for (const id of this.#heard()) this.#rung.add(id);
    });
  }

  /** The ids that have rung since. */
  #heard(): number[] {
    const count = Number(libc.read(this.#fd, this.#buffer, BigInt(this.#buffer.length)));
    if (count <= 0) return [];
    const lines = (this.#rest + this.#decoder.decode(this.#buffer.subarray(0, count))).split("\n");
    this.#rest = lines.pop()!;
    return lines.map(Number).filter(Number.isSafeInteger);
  }
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
