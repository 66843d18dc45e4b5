/** The course of the soak: how long it goes on, and the first failure, which ends it at once. */

import { sleep } from "./home.ts";

export class Course {
  #failure = Promise.withResolvers<never>();
  #error?: unknown;
  #isOver = false;

  constructor() {
    this.#failure.promise.catch(() => {});
  }

  /** No new jobs and no more trouble: what has been begun is brought to its end. */
  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }

  fail(error: unknown): void {
    this.#isOver = true;
    this.#error ??= error;
    this.#failure.reject(error);
  }

  /** What `work` gives, unless something fails before. */
  async unlessFailed<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#failure.promise]);
  }

  /** Throws once something has failed, so that nothing goes on for ever. */
  async pause(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 200) {
      await sleep(Math.min(200, left));
      if (this.#error) throw this.#error;
    }
  }
}
