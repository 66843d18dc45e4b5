/** A command runs at most once, and never without its leader's identity on disk. */

import { assert, assertEquals } from "../assert.ts";
import { FENCE } from "../../src/host/run_records.ts";
import { until } from "../e2e/home.ts";
import { buildKeeper, KeeperHome } from "./keeper_home.ts";

buildKeeper();

function fifo(path: string): void {
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

Deno.test("whoever claims first wins, and the other runs nothing", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  assert(home.files.fence(1, 1));
  const { told, record } = await home.run({ id: 1, command: ["touch", `${home.directory}/ran`] });
  assertEquals(told.kinds, ["forked", "claimLost", "silent"]);
  assertEquals([record, home.has("ran"), home.has("runs/1/proc")], [undefined, false, false]);
  assertEquals(home.read("runs/1/claim"), FENCE);
  assertEquals(
    [...Deno.readDirSync(`${home.directory}/runs/1`)].length,
    1,
    "nothing is left aside",
  );
});

Deno.test("of two shims of one attempt one runs", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  const command = ["sh", "-c", `echo once >>${home.directory}/ran`];
  const both = [1, 2, 3, 4].map(() => home.run({ id: 1, command }));
  const kinds = (await Promise.all(both)).map(({ told }) => told.kinds);
  assertEquals(kinds.filter((kinds) => kinds.includes("executed")).length, 1);
  assertEquals(kinds.filter((kinds) => kinds.includes("claimLost")).length, 3);
  assertEquals(home.read("ran"), "once\n");
});

Deno.test("an attempt is claimed under its own name, and a claim forbids its fence", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  assert(home.files.fence(1, 1));
  const { told } = await home.run({ id: 1, attempt: 2, command: ["true"] });
  assert(told.of("executed"));
  assertEquals(home.files.claim(1, 2)?.kind, "signed");
  assertEquals([home.files.fence(1, 2), home.files.fence(1, 1)], [false, true]);
});

Deno.test("without its run directory nothing is run, nothing made, and nothing fenced", async () => {
  await using home = new KeeperHome();
  const { told } = await home.run({ id: 1, command: ["touch", `${home.directory}/ran`] });
  assertEquals(told.kinds, ["forked", "claimLost", "silent"]);
  assertEquals([home.files.fence(1, 1), home.files.hasRun(1), home.has("ran")], [
    false,
    false,
    false,
  ]);
});

Deno.test("a shim that is killed before its word leaves a leader that executes nothing", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  fifo(`${home.directory}/runs/1/proc`);
  const told = home.start({ id: 1, command: ["touch", `${home.directory}/ran`] });
  const claim = await until("it is claimed", () => home.files.claim(1, 1));
  assert(claim.kind === "signed");
  const { shim } = claim;
  const children = `/proc/${shim.pid}/task/${shim.pid}/children`;
  const leader = Number(
    await until("it has a leader", () => Deno.readTextFileSync(children).trim()),
  );
  Deno.kill(shim.pid, "SIGKILL");
  await told.until("silent");
  await until("the leader has ended", () => home.processes.observe(leader).kind === "absent");
  assertEquals([told.of("led"), home.has("ran"), home.has("exits/1")], [undefined, false, false]);
});

Deno.test("a leader that is killed while it prepares has executed nothing", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  fifo(`${home.directory}/runs/1/stdout.log`);
  const told = home.start({ id: 1, command: ["touch", `${home.directory}/ran`] });
  const { leader } = await told.until("led");
  const seen = home.processes.observe(leader.pid);
  assert(seen.kind === "present");
  assertEquals(seen.startStep, "preparing its files");
  Deno.kill(leader.pid, "SIGKILL");
  await told.until("silent");
  assertEquals(told.kinds, ["forked", "claimed", "led", "refused", "empty", "silent"]);
  assertEquals(home.files.exitRecord(1)?.refusal, told.of("refused")?.refusal);
  assertEquals(home.has("ran"), false);
});

Deno.test("SIGTERM ends a leader that has not executed yet", async () => {
  await using home = new KeeperHome();
  home.files.create(1);
  const path = `${home.directory}/runs/1/stdout.log`;
  fifo(path);
  const told = home.start({ id: 1, command: ["touch", `${home.directory}/ran`] });
  const { leader } = await told.until("led");
  Deno.kill(leader.pid, "SIGTERM");
  // It waits for the file, and then for nobody.
  using _reader = await Deno.open(path, { read: true });
  await told.until("silent");
  assertEquals([told.of("refused")?.refusal.by, home.has("ran")], ["job", false]);
});

Deno.test("who claims and who leads is on disk as /proc has it, in whatever tick each is born", async () => {
  await using home = new KeeperHome();
  const jobs = Array.from({ length: 60 }, () => home.start({ command: ["sleep", "60"] }));
  for (const told of jobs) {
    const { id } = told;
    await told.until("executed");
    const claim = home.files.claim(id, 1), leader = home.files.leader(id)!;
    assert(claim?.kind === "signed");
    for (const { pid, startTicks } of [claim.shim, leader]) {
      const seen = home.processes.observe(pid);
      assertEquals(seen.kind === "present" && seen.startTicks, startTicks);
    }
    Deno.kill(leader.pid, "SIGKILL");
    await told.until("silent");
  }
});
