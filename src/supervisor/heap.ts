/** A binary heap: takes out the least of what is in it, by an order of the caller's. */

export class Heap<T> {
  readonly #items: T[];

  constructor(private readonly isBefore: (a: T, b: T) => boolean, items: readonly T[] = []) {
    this.#items = [...items];
    for (let i = (items.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** All that is in it, in no order. */
  get items(): readonly T[] {
    return this.#items;
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    for (let up; at > 0 && this.isBefore(item, items[up = (at - 1) >> 1]!); at = up) {
      items[at] = items[up]!;
      items[up] = item;
    }
  }

  pop(): T | undefined {
    const [least] = this.#items;
    const last = this.#items.pop();
    if (this.#items.length > 0) {
      this.#items[0] = last!;
      this.#sink(0);
    }
    return least;
  }

  #sink(at: number): void {
    const items = this.#items, item = items[at]!;
    for (let down; (down = 2 * at + 1) < items.length; at = down) {
      const right = items[down + 1];
      if (right !== undefined && this.isBefore(right, items[down]!)) down++;
      if (!this.isBefore(items[down]!, item)) break;
      items[at] = items[down]!;
      items[down] = item;
    }
  }
}
