/** Jobs that write more than is kept of a log, or than the disk has room for, on the compiled binary. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Disk, Fault } from "./disk.ts";
import { Home, IS_ROOT, until } from "./home.ts";

const MIB = 2 ** 20;
const LIMIT = 1 * MIB;
const ROOT = { ignore: !IS_ROOT };
const HAS_STRACE =
  new Deno.Command("sh", { args: ["-c", "command -v strace"] }).outputSync().success;

/** Numbered lines of 16 bytes, a MiB at a time; `then` when so many have been written. */
function write(mebibytes: number, then = ":"): string {
  const line = "seq -f %015.0f $((i * 65536)) $((i * 65536 + 65535)); i=$((i + 1))";
  return `i=0; while [ $i -lt ${mebibytes} ]; do ${line}; sleep 0.01; done; ${then}`;
}

const HOLD = "while [ ! -e go ]; do sleep 0.05; done";

function go(home: Home): void {
  Deno.writeTextFileSync(`${home.directory}/go`, "");
}

interface Read {
  /** What is left out. */
  readonly gaps: [from: number, to: number][];
  /** Where it ends. */
  readonly end: number;
}

/** Reads stdout and holds every byte of it against what is written. */
async function read(home: Home, id: number, follow = false): Promise<Read> {
  const gaps: [number, number][] = [];
  let end = 0;
  await home.use(async (client) => {
    const replies = client.stream("Logs", { id, stream: "stdout", follow });
    for await (const { offset, data, cut = 0 } of replies) {
      if (data === undefined) continue;
      const bytes = Uint8Array.fromBase64(data);
      assertEquals(offset, end + cut);
      if (cut) gaps.push([end, offset!]);
      assertSame(bytes, offset!);
      end = offset! + bytes.length;
    }
  });
  return { gaps, end };
}

function assertSame(bytes: Uint8Array, offset: number): void {
  const first = Math.floor(offset / 16);
  const count = Math.ceil((offset + bytes.length) / 16) - first;
  let text = "";
  for (let i = 0; i < count; i++) text += String(first + i).padStart(15, "0") + "\n";
  const expected = text.substring(offset % 16, offset % 16 + bytes.length);
  assert(new TextDecoder().decode(bytes) === expected, `other bytes at or after ${offset}`);
}

/** bytes that a log takes of its disk */
function held(home: Home, id: number): number {
  return Deno.statSync(`${home.state}/runs/${id}/stdout.log`).blocks! * 512;
}

function assertCut({ gaps, end }: Read, written: number, limit = LIMIT): void {
  assertEquals(end, written);
  const block = 4096;
  const [from, to] = gaps[0]!;
  assertEquals(gaps.length, 1);
  assert(from >= limit / 2 && from < limit / 2 + block, `from ${from}`);
  assert(end - to >= limit / 2 && end - to < limit / 2 + block, `to ${to} of ${end}`);
}

Deno.test("a log above its limit keeps its head and its newest part while the job writes on", async () => {
  await using home = await Home.start();
  const id = await home.submit(write(24, `echo done >&2; ${HOLD}; echo end`), {
    limits: { logSize: LIMIT },
  });
  const other = await home.submit(write(3), { limits: { logSize: 8 * MIB } });
  await until("it has been cut to its limit", async () => {
    const [gap] = (await read(home, id)).gaps;
    return gap !== undefined && Deno.readTextFileSync(`${home.state}/runs/${id}/stderr.log`) !== "";
  });
  await until("the disk has it back", () => held(home, id) <= LIMIT * 1.125 + 8192);
  assertEquals((await home.status(id)).state, "RUNNING");
  go(home);
  await home.wait(id);
  const { gaps: [gap], end } = await read(home, id).catch(() => ({ gaps: [], end: 0 }));
  // Its last line is none of the numbered ones.
  assertEquals([gap, end], [undefined, 0]);
  const { stdout, stderr } = await home.run("logs", String(id));
  assert(stdout.endsWith("\nend\n"));
  assertMatch(
    stderr,
    /^holdfast: 23 MiB of stdout are left out here: job 1 wrote more than is kept\ndone\n$/,
  );
  const json = await home.run("logs", "--json", "--stream", "stdout", String(id));
  const cuts = json.stdout.trim().split("\n").map((line) => JSON.parse(line).cut ?? 0);
  assertEquals(cuts.reduce((sum, cut) => sum + cut), 24 * MIB + 4 - stdout.length);
  await home.wait(other);
  assertEquals(await read(home, other), { gaps: [], end: 3 * MIB });
});

Deno.test("a job that ends before anybody has looked at its log leaves no more than its limit", async () => {
  await using home = await Home.start();
  const id = await home.submit("seq -f %015.0f 0 1048575", { limits: { logSize: LIMIT } });
  await home.wait(id);
  assertCut(await read(home, id), 16 * MIB);
  assert(held(home, id) <= LIMIT + 16_384);
});

Deno.test("the default log_size is the limit of jobs without one of their own", async () => {
  await using home = await Home.start("--default-limits", "log-size=2M");
  const id = await home.submit("seq -f %015.0f 0 1048575");
  await home.wait(id);
  assertCut(await read(home, id), 16 * MIB, 2 * MIB);
});

Deno.test("a follower of a log that is cut gets true bytes and is told what it has missed", async () => {
  await using home = await Home.start();
  const id = await home.submit(write(32), { limits: { logSize: LIMIT } });
  const { end } = await read(home, id, true);
  assertEquals(end, 32 * MIB);
});

Deno.test("a log stays bounded and true over kill -9 of the supervisor at any time", async () => {
  await using home = await Home.start();
  const id = await home.submit(write(48, HOLD), { limits: { logSize: LIMIT } });
  for (let written = 8; written <= 32; written += 8) {
    const path = `${home.state}/runs/${id}/stdout.log`;
    await until("it writes on", () => {
      try {
        return Deno.statSync(path).size >= written * MIB;
      } catch {
        return false;
      }
    });
    await home.restart();
    await read(home, id);
  }
  await home.crash();
  go(home);
  await until("it ends", () => home.processes().length === 0);
  await home.start();
  await home.wait(id);
  assertCut(await read(home, id), 48 * MIB);
  assert(held(home, id) <= LIMIT + 16_384);
});

for (const call of ["rename", "fallocate"]) {
  Deno.test(`a supervisor killed at the ${call} of a cut leaves a log that reads true`, {
    ignore: !IS_ROOT || !HAS_STRACE,
  }, async () => {
    await using home = await Home.start();
    const id = await home.submit(write(4, HOLD), { limits: { logSize: LIMIT } });
    {
      await using _fault = await Fault.inject(home.pid, call, "EIO:signal=KILL");
      await home.ended();
    }
    await home.start();
    await until("it is cut", async () => (await read(home, id)).gaps.length > 0);
    go(home);
    await home.wait(id);
    assertCut(await read(home, id), 4 * MIB);
  });
}

Deno.test(
  "where the disk can have no holes a log is cut to its head, and what follows reads true",
  {
    ignore: !IS_ROOT || !HAS_STRACE,
  },
  async () => {
    await using home = await Home.start();
    const id = await home.submit(write(16, `${HOLD}; ${write(1).replace("i=0", "i=16")}`), {
      limits: { logSize: 4 * MIB },
    });
    await using _fault = await Fault.inject(home.pid, "fallocate", "EOPNOTSUPP");
    await until("it is truncated", () => home.log.includes("how=truncated"));
    await until("it is bounded", () => held(home, id) <= 4.5 * MIB + 8192);
    go(home);
    await home.wait(id);
    const { gaps, end } = await read(home, id);
    assertEquals(gaps.length, 1);
    assert(end <= 17 * MIB);
  },
);

for (
  const [kind, make] of Object.entries({
    tmpfs: (path: string) => Disk.mount(path, "size=96m"),
    ext4: (path: string) => Disk.ext4(path, 96),
  })
) {
  Deno.test(
    `jobs that fill the disk do not keep others from being journaled (${kind})`,
    ROOT,
    async () => {
      await using home = new Home();
      await using _disk = await make(home.state);
      await home.start();
      const forever = "while :; do seq -f %015.0f 0 1048575 2>/dev/null; done";
      const writers = [await home.submit(forever), await home.submit(forever)];
      for (let i = 0; i < 30; i++) {
        const id = await home.submit("exit 7");
        assertEquals((await home.wait(id)).exitCode, "7:0");
      }
      await until("it is told", () => home.log.includes("the disk is short of space"));
      await home.restart();
      // Neither's end can be recorded while the other fills so small a disk in an instant.
      for (const id of writers) await home.cancel(id);
      for (const id of writers) await home.wait(id);
      await until("there is room again", async () => {
        const { node } = await home.use((client) => client.call("Node", {}));
        return node.degraded === undefined && node.shortOfSpace === undefined;
      });
    },
  );
}

function hasBallast(home: Home): boolean {
  return [...Deno.readDirSync(home.state)].some(({ name }) => name === "reserve");
}

Deno.test(
  "the ballast keeps the journal going on a disk that is full of other files",
  ROOT,
  async () => {
    await using home = new Home();
    await using disk = await Disk.mount(home.state, "size=96m");
    await home.start();
    await until("there is ballast", () => hasBallast(home));
    disk.fill();
    const id = await home.submit("exit 7");
    assertEquals((await home.wait(id)).exitCode, "7:0");
    assert(!hasBallast(home));
    disk.free();
    await home.wait(await home.submit(["true"]));
    await until("there is ballast again", () => hasBallast(home));
  },
);

Deno.test("a start on a full disk is given the ballast", ROOT, async () => {
  await using home = new Home();
  await using disk = await Disk.mount(home.state, "size=96m");
  await home.start();
  await until("there is ballast", () => hasBallast(home));
  await home.signal("SIGTERM");
  disk.fill();
  await home.start();
  assert(!hasBallast(home));
  assertEquals((await home.wait(await home.submit("exit 7"))).exitCode, "7:0");
});

Deno.test("a job that truncates its own log reads as it then is, and is bounded as before", async () => {
  await using home = await Home.start();
  const again = `until [ -e again ]; do sleep 0.05; done; : > /dev/stdout; ${write(3, HOLD)}`;
  const id = await home.submit(write(4, again), { limits: { logSize: LIMIT } });
  await until("it is cut", async () => (await read(home, id)).end === 4 * MIB);
  Deno.writeTextFileSync(`${home.directory}/again`, "");
  await until("it has written anew", () => {
    const { size } = Deno.statSync(`${home.state}/runs/${id}/stdout.log`);
    return size === 3 * MIB;
  });
  go(home);
  await home.wait(id);
  assertCut(await read(home, id), 3 * MIB);
  assert(held(home, id) <= LIMIT + 16_384);
});
