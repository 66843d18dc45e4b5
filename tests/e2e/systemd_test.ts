/** What systemd relies on: the unit, the notifications of sd_notify(3), priorities for journald. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, until } from "./home.ts";
import { libc, must } from "../../src/host/libc.ts";
import { unixAddress } from "../../src/host/unix_socket.ts";

const UNIT = new URL("../../systemd/holdfast.service", import.meta.url).pathname;
const AF_UNIX = 1, SOCK_DGRAM = 2, NONBLOCK = 0o4000, CLOEXEC = 0o2000000;

/** The socket on which a service manager is told how its services are. */
class Manager implements Disposable {
  readonly #fd = must("socket", libc.socket(AF_UNIX, SOCK_DGRAM | NONBLOCK | CLOEXEC, 0));
  readonly messages: string[] = [];

  constructor(readonly path: string) {
    const name = new TextEncoder().encode(path);
    const address = new Uint8Array(2 + name.length + 1);
    new DataView(address.buffer).setUint16(0, AF_UNIX, true);
    address.set(name, 2);
    must(`bind ${path}`, libc.bind(this.#fd, address, address.length));
  }

  /** The messages so far, in their order. */
  receive(): string[] {
    const buffer = new Uint8Array(4096);
    for (let n; (n = Number(libc.read(this.#fd, buffer, BigInt(buffer.length)))) > 0;) {
      this.messages.push(new TextDecoder().decode(buffer.subarray(0, n)));
    }
    return this.messages;
  }

  /** Sends to it until nothing more finds room. */
  fill(): void {
    const fd = must("socket", libc.socket(AF_UNIX, SOCK_DGRAM | NONBLOCK | CLOEXEC, 0));
    const address = unixAddress(new TextEncoder().encode(`${this.path}\0`));
    const bytes = new Uint8Array([1]);
    while (libc.sendto(fd, bytes, 1n, 0, address, address.length) === 1n);
    libc.close(fd);
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

function underSystemd(home: Home, manager: Manager): void {
  home.launch([], ["env", `NOTIFY_SOCKET=${manager.path}`, "JOURNAL_STREAM=1:1"]);
}

function hasSystemdAnalyze(): boolean {
  try {
    return new Deno.Command("systemd-analyze", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test("the unit is one that systemd takes", { ignore: !hasSystemdAnalyze() }, async () => {
  const directory = await Deno.makeTempDir();
  try {
    // The binary must exist where the unit names it.
    const unit = Deno.readTextFileSync(UNIT).replaceAll("/usr/local/bin/holdfast", BINARY);
    Deno.writeTextFileSync(`${directory}/holdfast.service`, unit);
    const { success, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", "--man=no", `${directory}/holdfast.service`],
    }).output();
    const complaints = new TextDecoder().decode(stderr).split("\n")
      .filter((line) => line.includes("holdfast"))
      // Before 254 it is left out, as the unit says.
      .filter((line) => !line.includes("Unknown key 'DelegateSubgroup'"));
    assertEquals(complaints, []);
    assert(success);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a manager that does not listen keeps nobody waiting, and is told as soon as it does", async () => {
  await using home = new Home();
  using manager = new Manager(`${home.directory}/notify`);
  manager.fill();
  underSystemd(home, manager);
  await until("it answers", () => home.answers());
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  await until("it is told", () => manager.receive().includes("READY=1"));
  assert(!home.log.includes("cannot notify"), home.log);
  // And at the end it waits as little.
  manager.fill();
  assertEquals(await home.signal("SIGTERM"), 0);
});

Deno.test("a manager that is gone is no reason not to start", async () => {
  await using home = new Home();
  home.launch([], ["env", `NOTIFY_SOCKET=${home.directory}/nobody`]);
  await until("it answers", () => home.answers());
  assertMatch(home.log, /WARN cannot notify message=\S+ socket=\S+nobody why=.*No such file/);
  assertEquals(await home.signal("SIGTERM"), 0);
});

Deno.test("READY=1 follows the recovery, once a start, and STOPPING=1 an end", async () => {
  await using home = new Home();
  using manager = new Manager(`${home.directory}/notify`);
  underSystemd(home, manager);
  await until("it is ready", () => manager.receive().length > 0);
  // Whoever waited for READY=1 is answered at once, and by one that has finished its recovery.
  const first = await home.use((client) => client.call("Node", {}));
  assertMatch(home.log, /INFO recovered .*\n.*INFO listening /);
  assertEquals(manager.messages, ["READY=1"]);
  const id = await home.submit("exec sleep 1000");
  await home.running(id);

  Deno.kill(home.pid, "SIGHUP");
  await until("its successor is ready", () => manager.receive().length > 1);
  const second = await home.use((client) => client.call("Node", {}));
  assertEquals(second.node.pid, first.node.pid);
  assert(second.node.startedAt !== first.node.startedAt);
  assertEquals(second.node.recovery.adopted, 1);

  assertEquals(await home.signal("SIGTERM"), 0);
  assertEquals(manager.receive(), ["READY=1", "READY=1", "STOPPING=1"]);
});

Deno.test("a watchdog is told that we are there, again and again, and over an upgrade", async () => {
  await using home = new Home();
  using manager = new Manager(`${home.directory}/notify`);
  const asked = [`NOTIFY_SOCKET=${manager.path}`, "WATCHDOG_USEC=200000"];
  home.launch([], ["env", ...asked]);
  const signs = () => manager.receive().filter((message) => message === "WATCHDOG=1").length;
  await until("it has been told twice", () => signs() >= 2);
  Deno.kill(home.pid, "SIGHUP");
  const isReadyAgain = () => manager.receive().filter((text) => text === "READY=1").length === 2;
  await until("its successor is ready", isReadyAgain);
  const before = signs();
  await until("the successor tells it too", () => signs() >= before + 2);
});

Deno.test("a watchdog that is another process's is told nothing", async () => {
  await using home = new Home();
  using manager = new Manager(`${home.directory}/notify`);
  const asked = [`NOTIFY_SOCKET=${manager.path}`, "WATCHDOG_USEC=1000", "WATCHDOG_PID=1"];
  home.launch([], ["env", ...asked]);
  await until("it answers", () => home.answers());
  assertEquals((await home.wait(await home.submit("exit 3"))).exitCode, "3:0");
  assertEquals(manager.receive(), ["READY=1"]);
});

Deno.test("no READY=1 comes from a supervisor that is refused", async () => {
  await using home = await Home.start();
  using manager = new Manager(`${home.directory}/notify`);
  const { code, stderr } = await home.runAs(
    { env: { NOTIFY_SOCKET: manager.path } },
    "daemon",
  );
  assertEquals(code, 1);
  assertMatch(stderr, /another supervisor, pid \d+/);
  assertEquals(manager.receive(), []);
});

Deno.test("journald is given priorities and no time of its own", async () => {
  await using home = new Home();
  using manager = new Manager(`${home.directory}/notify`);
  underSystemd(home, manager);
  await until("it is ready", () => manager.receive().length > 0);
  const job = await home.running(await home.submit("exec sleep 1000"));
  await home.crash();
  // The shim first, so that nobody records how the job ended.
  const shims = home.processes().filter((pid) => pid !== job.pid);
  for (const pid of [...shims, job.pid!]) Deno.kill(pid, "SIGKILL");
  await until("its processes have ended", () => home.processes().length === 0);
  underSystemd(home, manager);
  await until("it is ready again", () => manager.receive().length > 1);
  assertMatch(home.log, /^<6>INFO listening /m);
  assertMatch(home.log, new RegExp(`^<4>WARN interrupted job=${job.id} `, "m"));
  assert(home.log.split("\n").slice(0, -1).every((line) => /^<[1-7]>[A-Z]+ /.test(line)), home.log);
});
