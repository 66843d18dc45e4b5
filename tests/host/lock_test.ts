import { assert, assertEquals, assertMatch } from "../assert.ts";
import { takeLock } from "../../src/host/lock.ts";
import { Locked, refuseHeld } from "../../src/host/lock_holder.ts";
import { until } from "../e2e/home.ts";

const SHARED = "--shared";

class Place implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync();
  readonly lock = `${this.directory}/lock`;
  #holder?: Deno.ChildProcess;

  /** Somebody else has it until he is told to end, or by himself after some seconds. */
  async held(seconds: number, ...flags: string[]): Promise<number> {
    const args = ["--no-fork", ...flags, this.lock, "sleep", String(seconds)];
    this.#holder = new Deno.Command("flock", { args }).spawn();
    const isTaken = () => {
      const args = ["--nonblock", this.lock, "true"];
      return !new Deno.Command("flock", { args }).outputSync().success;
    };
    await until("it is held", isTaken);
    return this.#holder.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#holder?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#holder?.status;
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function refusal(body: () => void): string {
  try {
    body();
  } catch (error) {
    assert(error instanceof Locked, String(error));
    return error.message;
  }
  return "none";
}

Deno.test("to ask who holds a lock makes nothing and writes nothing", async () => {
  await using place = new Place();
  refuseHeld(place.lock);
  assertEquals([...Deno.readDirSync(place.directory)], []);
  Deno.writeTextFileSync(place.lock, "77\n", { mode: 0o400 });
  refuseHeld(place.lock);
  assertEquals(Deno.readTextFileSync(place.lock), "77\n");
  Deno.chmodSync(place.lock, 0o600);
  takeLock(place.lock);
});

Deno.test("who asks is told the pid of a holder, whatever the file says, and not of those who ask too", async () => {
  await using place = new Place();
  Deno.writeTextFileSync(place.lock, "77\n");
  const pid = await place.held(60);
  assertMatch(
    refusal(() => refuseHeld(place.lock)),
    new RegExp(`^another supervisor, pid ${pid}, `),
  );
  assertMatch(refusal(() => takeLock(place.lock)), new RegExp(`^another supervisor, pid ${pid}, `));
  await using other = new Place();
  await other.held(60, SHARED);
  assertEquals(refusal(() => refuseHeld(other.lock)), "none");
});

Deno.test("a lock that others only ask about is taken when they are done", async () => {
  await using place = new Place();
  await place.held(0.5, SHARED);
  takeLock(place.lock);
  assertEquals(Deno.readTextFileSync(place.lock), `${Deno.pid}\n`);
  assertMatch(refusal(() => refuseHeld(place.lock)), new RegExp(`pid ${Deno.pid}, holds`));
});
