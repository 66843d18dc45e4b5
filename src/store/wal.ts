/**
 * Looks for damage in a write-ahead log, which SQLite takes for its end: it would drop every later
 * commit without a word. The format is https://sqlite.org/fileformat2.html#walformat.
 */

const HEADER_BYTES = 32, FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE = 0x377f0682, MAGIC_BIG = 0x377f0683;

type Sum = readonly [number, number];

/**
 * Why commits would be lost; undefined when all are there. An end that is cut short is none: at most
 * one transaction, whose fsync has never returned, and so was acknowledged to nobody. What follows
 * a commit was written after the fsync of that commit: a frame that is wrong before it is damage.
 */
export function walDamage(log: Uint8Array, pageSize: number): string | undefined {
  if (log.length <= HEADER_BYTES) return undefined;
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  const magic = view.getUint32(0);
  const isLittle = magic === MAGIC_LITTLE;
  const frame = FRAME_HEADER_BYTES + pageSize;
  const count = Math.floor((log.length - HEADER_BYTES) / frame);
  const place = (i: number) => HEADER_BYTES + i * frame;
  const stored = (at: number): Sum => [view.getUint32(at), view.getUint32(at + 4)];
  const isWhole = (i: number, seed: Sum, little: boolean) => {
    const head = checksum(view, place(i), 8, seed, little);
    const sum = checksum(view, place(i) + FRAME_HEADER_BYTES, pageSize, head, little);
    return isSame(sum, stored(place(i) + 16));
  };
  const isWholeAfter = (i: number, little: boolean) =>
    isWhole(i, stored(place(i - 1) + 16), little);

  const head = checksum(view, 0, 24, [0, 0], isLittle);
  const isHeaderWhole = (isLittle || magic === MAGIC_BIG) && isSame(head, stored(24)) &&
    view.getUint32(8) === pageSize;
  if (!isHeaderWhole) {
    for (let i = 1; i < count; i++) {
      if (isWholeAfter(i, true) || isWholeAfter(i, false)) return "the header is damaged";
    }
    return undefined;
  }

  const isOfNow = (i: number) => isSame(stored(place(i) + 8), stored(16));
  let seed = head;
  let first = 0;
  while (first < count && isOfNow(first) && isWhole(first, seed, isLittle)) {
    seed = stored(place(first++) + 16);
  }
  let hasCommit = false;
  for (let i = first; i < count && isOfNow(i); i++) {
    if (hasCommit && isWholeAfter(i, isLittle)) return `frame ${first + 1} is damaged`;
    hasCommit ||= view.getUint32(place(i) + 4) !== 0;
  }
  return undefined;
}

function checksum(view: DataView, at: number, length: number, seed: Sum, little: boolean): Sum {
  let [a, b] = seed;
  for (let i = at; i < at + length; i += 8) {
    a = (a + view.getUint32(i, little) + b) >>> 0;
    b = (b + view.getUint32(i + 4, little) + a) >>> 0;
  }
  return [a, b];
}

function isSame(a: Sum, b: Sum): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
