/** Nothing that happens to the supervisor or the keeper hurts a shim, and the next supervisor reaches it. */

import { assert, assertEquals } from "../assert.ts";
import { libc } from "../../src/host/libc.ts";
import { until } from "../e2e/home.ts";
import type { Introduction } from "../../src/ports.ts";
import { buildKeeper, KeeperHome, PATH, Told } from "./keeper_home.ts";

buildKeeper();

const WAITING = ["sh", "-c", 'while [ ! -e "$GO" ]; do sleep 0.02; done; exit 5'];
const LAST_SIGNAL = 64;
const SIGKILL = 9, SIGSTOP = 19, SIGUSR1 = 10;

function waiting(home: KeeperHome) {
  return home.start({ command: WAITING, environment: { PATH, GO: `${home.directory}/go` } });
}

function letGo(home: KeeperHome): void {
  Deno.writeTextFileSync(`${home.directory}/go`, "");
}

Deno.test("a shim survives every signal that can be survived, and records the end", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  await told.until("executed");
  const { pid } = told.of("claimed")!.shim;
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
    if (signal !== SIGKILL && signal !== SIGSTOP) libc.kill(pid, signal);
  }
  letGo(home);
  await until("the record is there", () => home.files.exitRecord(told.id));
  assertEquals(home.files.exitRecord(told.id)?.exit, { code: 5, signal: 0 });
  await until("the shim has ended", () => home.processes.observe(pid).kind === "absent");
});

Deno.test("when the keeper is killed its shims live on, tell and record", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  await told.until("executed");
  home.keeper.kill();
  await until("it is gone", () => home.isGone);
  assertEquals(home.keeper.start({ ...ANY, id: 9 }, () => {}), "gone");
  letGo(home);
  assertEquals((await told.until("ended")).end.exit.code, 5);
  await told.until("silent");
  home.openKeeper();
  assertEquals((await home.run({ command: ["true"] })).record?.exit.code, 0);
});

const ANY = { attempt: 1, token: "any", directory: "/", command: ["true"], environment: {} };

Deno.test("a shim that gets SIGUSR1 introduces itself, and tells all again", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  await told.until("executed");
  const again = new Told();
  const greeted: Introduction[] = [];
  home.shims.listen((who) => {
    greeted.push(who);
    return again.hear;
  });
  const { shim } = told.of("claimed")!;
  libc.kill(shim.pid, SIGUSR1);
  await told.until("silent");
  assertEquals(greeted, [{ id: 1, attempt: 1, token: "token-1", shimPid: shim.pid }]);
  await again.until("executed");
  assertEquals(again.kinds, ["claimed", "led", "executed"]);
  assertEquals(again.of("led"), told.of("led"));
  letGo(home);
  await again.until("silent");
  assertEquals(again.kinds.slice(3), ["ended", "empty", "silent"]);
});

Deno.test("one that waits for the job's descendants tells the end again too", async () => {
  await using home = new KeeperHome();
  const environment = { PATH, GO: `${home.directory}/go` };
  const script = '(while [ ! -e "$GO" ]; do sleep 0.02; done) & exit 4';
  const told = home.start({ command: ["sh", "-c", script], environment });
  const { end } = await told.until("ended");
  const again = new Told();
  home.shims.listen(() => again.hear);
  libc.kill(told.of("claimed")!.shim.pid, SIGUSR1);
  assertEquals((await again.until("ended")).end, end);
  letGo(home);
  await again.until("empty");
  await again.until("silent");
});

Deno.test("a shim that is none of ours is not heard, and goes on", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  await told.until("executed");
  let greeted = 0;
  home.shims.listen(() => {
    greeted++;
    return undefined;
  });
  libc.kill(told.of("claimed")!.shim.pid, SIGUSR1);
  await told.until("silent");
  await until("it came", () => greeted > 0);
  letGo(home);
  await until("the record is there", () => home.files.exitRecord(told.id));
});

Deno.test("SIGUSR1 without anybody who listens costs nothing", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  await told.until("executed");
  for (let i = 0; i < 100; i++) libc.kill(told.of("claimed")!.shim.pid, SIGUSR1);
  letGo(home);
  assertEquals((await told.until("ended")).end.exit.code, 5);
  await told.until("silent");
});

Deno.test("a shim does not outlive its state directory", async () => {
  await using home = new KeeperHome();
  const told = waiting(home);
  const { leader } = await told.until("led");
  await told.until("executed");
  Deno.removeSync(`${home.directory}/runs`, { recursive: true });
  Deno.removeSync(`${home.directory}/exits`, { recursive: true });
  Deno.kill(leader.pid, "SIGKILL");
  await told.until("silent");
  assertEquals(told.of("ended"), undefined);
});

Deno.test("a keeper that hangs is busy, and takes starts when it goes on", async () => {
  await using home = new KeeperHome();
  Deno.kill(home.keeper.pid, "SIGSTOP");
  const start = { ...ANY, environment: { PATH } };
  let sent = 0;
  const told: Told[] = [];
  for (;;) {
    home.files.create(sent + 1);
    const one = new Told();
    const result = home.keeper.start({ ...start, id: sent + 1, token: `t${sent}` }, one.hear);
    if (result === "busy") break;
    assertEquals(result, "sent");
    told.push(one);
    sent++;
  }
  assert(sent > 0);
  const writable = new Promise<void>((resolve) => home.keeper.whenWritable(resolve));
  Deno.kill(home.keeper.pid, "SIGCONT");
  await writable;
  for (const one of told) await one.until("silent");
  assertEquals(told.filter((one) => one.of("ended")).length, sent);
});
