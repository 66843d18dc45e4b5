/** A wall clock that tests move: libfaketime shows it to who is started with it, and to nobody else. */

import { existsSync } from "node:fs";
import { type Home, until } from "./home.ts";

const FAKETIME = `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`;
export const HAS_FAKETIME = existsSync(FAKETIME);

export class FakeClock {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = `${directory}/offset`;
    this.jump("+0");
  }

  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  /** `offset`: from the true time, as `+5h` or `-9d`, or a time as `1960-01-01 00:00:00`. */
  jump(offset: string): void {
    Deno.writeTextFileSync(`${this.#path}.new`, `${offset}\n`);
    Deno.renameSync(`${this.#path}.new`, this.#path);
  }

  /** Starts a supervisor that goes by it. */
  async start(home: Home, flags: string[] = []): Promise<void> {
    const variables = Object.entries(this.environment).map((entry) => entry.join("="));
    home.launch(flags, ["env", ...variables]);
    await until(`a supervisor answers; log: ${home.log}`, () => home.answers());
  }
}
