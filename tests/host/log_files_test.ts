/** Cuts of real files, what readers are told of them, and what is made of cuts that broke off. */

import { assert, assertEquals } from "../assert.ts";
import { HostLogFiles } from "../../src/host/log_files.ts";
import type { LogPiece, LogReader } from "../../src/ports.ts";

const KIB = 1024;

class Run implements Disposable {
  readonly state = Deno.makeTempDirSync({ prefix: "holdfast-test-" });
  readonly files = new HostLogFiles(this.state);
  readonly #log = `${this.state}/runs/1/stdout.log`;

  constructor() {
    Deno.mkdirSync(`${this.state}/runs/1`, { recursive: true });
  }

  append(bytes: Uint8Array): void {
    Deno.writeFileSync(this.#log, bytes, { append: true });
  }

  truncate(): void {
    Deno.truncateSync(this.#log);
  }

  record(text: string): void {
    Deno.writeTextFileSync(`${this.state}/runs/1/stdout.cut`, text);
  }

  look() {
    return this.files.look(1, "stdout");
  }

  cut(from: number, to: number) {
    return this.files.cut(1, "stdout", from, to);
  }

  read(offset = 0): LogReader {
    return this.files.read(1, "stdout", offset);
  }

  all(offset = 0): { gap?: [number, number]; text: string } {
    const reader = this.read(offset);
    let gap: [number, number] | undefined, text = "";
    for (let piece: LogPiece | undefined; (piece = reader.next());) {
      if (piece.cut) gap = [piece.offset - piece.cut, piece.offset];
      text += new TextDecoder().decode(piece.bytes);
    }
    reader.close();
    return { gap, text };
  }

  get blocks(): number {
    return Deno.statSync(this.#log).blocks! * 512;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.state, { recursive: true });
  }
}

/** Bytes `from` to `to` of a log of numbered lines. */
function lines(from: number, to: number): Uint8Array {
  let text = "";
  for (let line = Math.floor(from / 16); line * 16 < to; line++) {
    text += String(line).padStart(15, "0") + "\n";
  }
  return new TextEncoder().encode(text).subarray(from % 16, from % 16 + to - from);
}

const text = (from: number, to: number) => new TextDecoder().decode(lines(from, to));

Deno.test("a cut gives its bytes back to the disk, and a reader is told how many are left out", () => {
  using run = new Run();
  run.append(lines(0, 1024 * KIB));
  assertEquals(run.cut(64 * KIB, 960 * KIB), { from: 64 * KIB, to: 960 * KIB, shift: 0 });
  assert(run.blocks <= 136 * KIB, String(run.blocks));
  run.append(lines(1024 * KIB, 1100 * KIB));
  assertEquals(run.look()!.size, 1100 * KIB);
  const whole = text(0, 64 * KIB) + text(960 * KIB, 1100 * KIB);
  assertEquals(run.all(), { gap: [64 * KIB, 960 * KIB], text: whole });
  assertEquals(run.all(500 * KIB).gap, [500 * KIB, 960 * KIB]);
  assertEquals(run.all(1000 * KIB), { gap: undefined, text: text(1000 * KIB, 1100 * KIB) });
});

Deno.test("a reader that is overtaken by a cut goes on behind it", () => {
  using run = new Run();
  run.append(lines(0, 1024 * KIB));
  const reader = run.read();
  assertEquals(reader.next()!.bytes, lines(0, 256 * KIB));
  run.cut(64 * KIB, 960 * KIB);
  const { offset, cut, bytes } = reader.next()!;
  assertEquals([offset, cut], [960 * KIB, 704 * KIB]);
  assertEquals(bytes.slice(), lines(960 * KIB, 1024 * KIB));
  reader.close();
});

Deno.test("a record without its hole, as of a cut that broke off, is forgotten up to what is gone", () => {
  using run = new Run();
  run.append(lines(0, 1024 * KIB));
  run.record(`${64 * KIB} ${512 * KIB} 0\n`);
  assertEquals(run.look()!.gap, undefined);
  assertEquals(run.all().text.length, 1024 * KIB);
  run.cut(128 * KIB, 256 * KIB);
  run.record(`${64 * KIB} ${512 * KIB} 0\n`);
  assertEquals(run.look()!.gap, { from: 128 * KIB, to: 256 * KIB, shift: 0 });
  assertEquals(run.all().text, text(0, 128 * KIB) + text(256 * KIB, 1024 * KIB));
});

Deno.test("a log that its job has truncated is whole again, however much was written since", () => {
  for (const since of [10 * KIB, 100 * KIB, 2048 * KIB]) {
    using run = new Run();
    run.append(lines(0, 1024 * KIB));
    run.cut(64 * KIB, 960 * KIB);
    run.truncate();
    run.append(lines(0, since));
    assertEquals(run.look()!.size, since);
    assertEquals(run.all(), { gap: undefined, text: text(0, since) });
  }
});

Deno.test("a reader of a log that its job truncates begins anew", () => {
  using run = new Run();
  run.append(lines(0, 100));
  const reader = run.read();
  reader.next();
  run.truncate();
  run.append(lines(0, 50));
  assertEquals(reader.next()!.bytes.slice(), lines(0, 50));
  reader.close();
});

Deno.test("a truncation that broke off is done, and later bytes keep offsets of their own", () => {
  using run = new Run();
  run.append(lines(0, 512 * KIB));
  run.record(`${64 * KIB} ${512 * KIB} ${448 * KIB} cutting\n`);
  assertEquals(run.all().text, text(0, 64 * KIB));
  const gap = { from: 64 * KIB, to: 512 * KIB, shift: 448 * KIB };
  assertEquals(run.look(), { size: 512 * KIB, gap, block: 4096 });
  run.append(lines(512 * KIB, 600 * KIB));
  const whole = text(0, 64 * KIB) + text(512 * KIB, 600 * KIB);
  assertEquals(run.all(), { gap: [64 * KIB, 512 * KIB], text: whole });
  assertEquals(run.all(512 * KIB).text, text(512 * KIB, 600 * KIB));
  assertEquals(run.cut(64 * KIB, 550 * KIB).to, 600 * KIB);
  assertEquals(run.all().text, text(0, 64 * KIB));
});

Deno.test("the ballast takes room on the disk and gives it back", () => {
  using run = new Run();
  assertEquals(run.files.giveBallast(), false);
  run.files.takeBallast(4096 * KIB);
  run.files.takeBallast(2048 * KIB);
  const { size, blocks } = Deno.statSync(`${run.state}/reserve`);
  assertEquals([size, blocks! * 512 >= size], [2048 * KIB, true]);
  const { free, total } = run.files.space()!;
  assert(free > 0 && free < total);
  assertEquals(run.files.giveBallast(), true);
  assertEquals(run.files.giveBallast(), false);
});
