/** The shims of a state directory: the keepers that fork them, and the socket where they reach us. */

import type { Keeper, Shims } from "../ports.ts";
import { HostKeeper } from "./keeper.ts";
import { executeKeeper } from "./keeper_process.ts";
import { keeperProgram } from "./keeper_program.ts";
import type { Reactor } from "./reactor.ts";
import { ShimLines } from "./shim_line.ts";
import { type Greet, ShimSocket } from "./shim_socket.ts";
import { type StartMeans, StartMessages } from "./shim_start.ts";

export interface ShimMeans extends StartMeans {
  readonly stateDirectory: string;
  readonly reactor: Reactor;
  /** An executable file; ours by default. */
  readonly program?: () => Uint8Array<ArrayBuffer>;
}

export class HostShims implements Shims {
  readonly #lines: ShimLines;
  readonly #messages: StartMessages;

  constructor(private readonly means: ShimMeans) {
    this.#lines = new ShimLines(means.reactor);
    this.#messages = new StartMessages(means);
  }

  openKeeper(onGone: () => void): Keeper {
    const { program = keeperProgram, stateDirectory, reactor } = this.means;
    const process = executeKeeper(program(), stateDirectory);
    const keeper = new HostKeeper(process, this.#messages, this.#lines, reactor, onGone);
    keeper.open();
    return keeper;
  }

  listen(greet: Greet): void {
    const { stateDirectory, reactor } = this.means;
    new ShimSocket(stateDirectory, reactor, this.#lines, greet).listen();
  }
}
