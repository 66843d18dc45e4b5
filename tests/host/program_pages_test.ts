import { assert, assertEquals } from "../assert.ts";
import { releaseProgramPages, unchangedMappings } from "../../src/host/program_pages.ts";

const mapping = (line: string, anonymous: number) =>
  `${line}\nSize:                 64 kB\nRss:                  64 kB\nAnonymous:       ${
    String(anonymous).padStart(8)
  } kB\nVmFlags: rd mr mw me\n`;

Deno.test("only mappings of the program itself that cannot be written and have no page of ours count", () => {
  const smaps = [
    mapping("1000-2000 r--p 00000000 fe:00 77      /usr/bin/it", 0),
    mapping("2000-3000 r-xp 00001000 fe:00 77      /usr/bin/it", 0),
    mapping("3000-4000 r--p 00002000 fe:00 77      /usr/bin/it", 4),
    mapping("4000-5000 rw-p 00003000 fe:00 77      /usr/bin/it", 0),
    mapping("5000-6000 rw-p 00000000 00:00 0 ", 0),
    mapping("6000-7000 r-xp 00000000 fe:00 78      /usr/lib/libc.so.6", 0),
    mapping("7000-8000 r-xp 00001000 fe:00 77      /usr/bin/it (deleted)", 0),
    mapping("8000-9000 r--s 00001000 fe:00 77      /usr/bin/it", 0),
  ].join("");
  assertEquals(unchangedMappings(smaps, "/usr/bin/it"), [
    { from: 0x1000n, to: 0x2000n },
    { from: 0x2000n, to: 0x3000n },
  ]);
  assertEquals(unchangedMappings("", "/usr/bin/it"), []);
});

Deno.test("pages that are given back leave memory, and come back with what was in them", () => {
  const text = () => `${releaseProgramPages} ${new Intl.NumberFormat("de").format(1e6)}`;
  const before = residentFileBytes(), said = text();
  releaseProgramPages();
  const after = residentFileBytes();
  assert(after < before, `${before} kB before, ${after} kB after`);
  assertEquals(text(), said);
});

/** kB of files that are in this process's memory. */
function residentFileBytes(): number {
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
}
