/** The socket comes back, whatever has become of its directory, and clients that are connected stay so. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Client } from "../../src/varlink/client.ts";
import { Home, IS_ROOT, until } from "./home.ts";

const MADE_ANEW = /WARN the socket was gone .*made anew/g;

async function comesBack(home: Home): Promise<void> {
  await until(`it answers again; log: ${home.log}`, () => home.answers());
}

function timesMade(home: Home): number {
  return home.log.match(MADE_ANEW)?.length ?? 0;
}

/** Each takes the socket away; the path is left to the supervisor. */
const WAYS: Record<string, (home: Home) => void> = {
  "removed with its directory": ({ runtime }) => Deno.removeSync(runtime, { recursive: true }),
  "removed from its directory": ({ socket }) => Deno.removeSync(socket),
  "removed with its lock": ({ socket }) => {
    Deno.removeSync(`${socket}.lock`);
    Deno.removeSync(socket);
  },
  "renamed": ({ socket }) => Deno.renameSync(socket, `${socket}.old`),
  "renamed with its directory": ({ runtime }) => Deno.renameSync(runtime, `${runtime}.old`),
  "in a directory that an empty one has replaced": ({ runtime }) => {
    Deno.renameSync(runtime, `${runtime}.older`);
    Deno.mkdirSync(runtime);
  },
};

Deno.test("a socket that is gone is made anew, and clients stay connected", async (t) => {
  await using home = await Home.start();
  const client = await Client.connect(home.socket);
  const id = await home.submit("while [ ! -e go ]; do sleep 0.05; done; exit 3");
  const waiting = client.call("Wait", { id });
  let times = 0;
  for (const [way, take] of Object.entries(WAYS)) {
    await t.step(way, async () => {
      take(home);
      await until(
        `it is made anew; log: ${home.log}`,
        () => timesMade(home) === ++times || --times < 0,
      );
      assert(await home.answers());
      // Its lock is there too: nobody else takes the place.
      const other = await home.run("daemon", "--state-dir", `${home.directory}/other`);
      assertEquals(other.code, 1);
      assertMatch(other.stderr, new RegExp(`another supervisor, pid ${home.pid}, listens at`));
    });
  }
  Deno.writeTextFileSync(`${home.directory}/go`, "");
  assertEquals((await waiting).job.exitCode, "3:0");
  client.close();
  assertEquals((await home.run("upgrade")).code, 0);
  assertEquals(await home.signal("SIGTERM"), 0);
  assertEquals([...Deno.readDirSync(home.runtime)].map(({ name }) => name), ["control.sock.lock"]);
});

Deno.test("a lock that is gone is taken again, and the socket stays", async () => {
  await using home = await Home.start();
  Deno.removeSync(`${home.socket}.lock`);
  await until("there is a lock", () => {
    try {
      return Deno.readTextFileSync(`${home.socket}.lock`) === `${home.pid}\n`;
    } catch {
      return false;
    }
  });
  assertEquals(timesMade(home), 0);
  const { stderr } = await home.run("daemon", "--state-dir", `${home.directory}/other`);
  assertMatch(stderr, new RegExp(`another supervisor, pid ${home.pid}, listens at`));
});

Deno.test("directories and links above the socket may be replaced", async () => {
  await using home = new Home();
  const above = `${home.directory}/above`;
  Deno.mkdirSync(`${above}/real`, { recursive: true });
  Deno.symlinkSync("real", `${above}/link`);
  const runtime = `${above}/link/run`;
  home.launch(["--runtime-dir", runtime]);
  const answers = async () => (await home.run("node", "--runtime-dir", runtime)).code === 0;
  await until("it answers", answers);
  Deno.renameSync(above, `${above}.old`);
  await until(`it answers again; log: ${home.log}`, answers);
  assertEquals(timesMade(home), 1);
  Deno.removeSync(above, { recursive: true });
  await until(`it answers again; log: ${home.log}`, answers);
  Deno.mkdirSync(`${home.directory}/elsewhere`);
  Deno.removeSync(above, { recursive: true });
  Deno.symlinkSync("elsewhere", above);
  await until(`it answers there; log: ${home.log}`, answers);
  await until("its socket is there", () => {
    try {
      return Deno.statSync(`${home.directory}/elsewhere/link/run/control.sock`).isSocket;
    } catch {
      return false;
    }
  });
});

Deno.test("what stands in the place of the socket or its directory is left alone, and told once", async () => {
  await using home = await Home.start();
  Deno.removeSync(home.runtime, { recursive: true });
  Deno.writeTextFileSync(home.runtime, "mine");
  await until("it is told", () => /ERROR the socket is gone .*runtime directory/.test(home.log));
  assertEquals(Deno.readTextFileSync(home.runtime), "mine");
  Deno.removeSync(home.runtime);
  await comesBack(home);
  Deno.removeSync(home.socket);
  const listener = Deno.listen({ transport: "unix", path: home.socket });
  await until("it is told", () => /the socket is gone .*another program, pid/.test(home.log));
  listener.close();
  await comesBack(home);
  Deno.removeSync(home.socket);
  Deno.mkdirSync(home.socket);
  await until(
    "it is told",
    () => /the socket is gone .*is not a socket; move it away/.test(home.log),
  );
  Deno.removeSync(home.socket);
  await comesBack(home);
  assertEquals(home.log.match(/ERROR the socket is gone/g)?.length, 3, home.log);
});

Deno.test("another supervisor that has taken the place has it until it ends", async () => {
  await using home = await Home.start();
  await using other = new Home();
  Deno.removeSync(home.runtime, { recursive: true });
  other.launch(["--runtime-dir", home.runtime]);
  await until(
    `one of them is refused; ${home.log} ${other.log}`,
    () => /the socket is gone .*another supervisor, pid/.test(home.log) || timesMade(home) > 0,
  );
  if (timesMade(home) === 0) await other.signal("SIGTERM");
  await comesBack(home);
});

Deno.test("what is made again has the mode that it had", async () => {
  await using home = new Home();
  Deno.mkdirSync(home.runtime);
  Deno.chmodSync(home.runtime, 0o750);
  await home.start();
  Deno.removeSync(home.runtime, { recursive: true });
  await comesBack(home);
  assertEquals(Deno.statSync(home.runtime).mode! & 0o7777, 0o750);
  assertEquals(Deno.statSync(home.socket).mode! & 0o777, 0o666);
});

Deno.test("a user's directory is not made before his session's is there again", async () => {
  await using home = new Home();
  const session = `${home.directory}/session`;
  Deno.mkdirSync(session);
  const runtime = `${session}/holdfast`;
  home.launch(["--runtime-dir", runtime], ["env", `XDG_RUNTIME_DIR=${session}`]);
  const answers = async () => (await home.run("node", "--runtime-dir", runtime)).code === 0;
  await until("it answers", answers);
  Deno.removeSync(session, { recursive: true });
  await until(
    "it is told",
    () => /the socket is gone .*session, which is not there/.test(home.log),
  );
  // It is not replaced by one that could not listen.
  Deno.mkdirSync(session);
  await until(`it answers again; log: ${home.log}`, answers);
});

Deno.test(
  "a mount that hides the socket is noticed, and so is its end",
  { ignore: !IS_ROOT },
  async () => {
    await using home = new Home();
    Deno.mkdirSync(home.runtime);
    // In a mount namespace of its own, which others enter by its pid.
    home.launch([], ["unshare", "--mount", "--propagation", "private"]);
    await until("it answers", () => home.answers());
    const inside = async (...words: string[]) => {
      const args = ["-t", `${home.pid}`, "-m", "--", ...words];
      return (await new Deno.Command("nsenter", { args, env: home.environment }).output()).code ===
        0;
    };
    for (const where of [home.runtime, home.directory]) {
      assert(await inside("mount", "-t", "tmpfs", "tmpfs", where));
      const socket = () => inside("test", "-S", home.socket);
      await until(`it listens over the mount; log: ${home.log}`, socket);
      assert(await inside("umount", "--lazy", where));
      await until(`it answers below; log: ${home.log}`, () => home.answers());
    }
  },
);

Deno.test("nothing wakes while nothing happens", { ignore: !IS_ROOT }, async () => {
  await using home = await Home.start();
  await home.run("node");
  const switches = () => {
    const threads = [...Deno.readDirSync(`/proc/${home.pid}/task`)];
    return threads.map(({ name }) => {
      const status = Deno.readTextFileSync(`/proc/${home.pid}/task/${name}/status`);
      return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
    }).reduce((sum, count) => sum + count, 0);
  };
  let before = switches();
  await until("a second without a wake-up", async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = switches();
    const isQuiet = now === before;
    before = now;
    return isQuiet;
  });
});
