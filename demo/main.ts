/**
 * The main job, shown on the real binary: jobs are submitted, the supervisor is killed with -9 in the
 * middle, and the next one takes them back. Every claim is checked; the first that does not hold ends
 * the demo with an error. It leaves no process and no file behind.
 */

const BINARY = new URL("../dist/holdfast", import.meta.url).pathname;
const DEADLINE_MS = 20_000;
const MARK = "HOLDFAST_DEMO";

const home = Deno.makeTempDirSync({ prefix: "holdfast-demo-" });
const env = {
  PATH: Deno.env.get("PATH")!,
  HOLDFAST_STATE_DIR: `${home}/state`,
  HOLDFAST_RUNTIME_DIR: `${home}/run`,
  LOG_LEVEL: "WARN",
  [MARK]: home,
};

function say(text: string): void {
  console.log(`\n\x1b[1m${text}\x1b[0m`);
}

function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`this does not hold: ${claim}`);
  console.log(`  ✓ ${claim}`);
}

/** Types a command as a person would, and shows it. Returns its exit code and output. */
async function type(...words: string[]): Promise<{ code: number; output: string }> {
  const shown = words.map((word) => /^[\w./=-]+$/.test(word) ? word : `'${word}'`).join(" ");
  console.log(`  $ holdfast ${shown}`);
  const { code, output } = await quietly(...words);
  for (const line of output.trimEnd().split("\n").filter(Boolean)) console.log(`    ${line}`);
  return { code, output };
}

async function quietly(...words: string[]): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(BINARY, {
    args: words,
    env,
    clearEnv: true,
  })
    .output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startSupervisor(): Promise<Deno.ChildProcess> {
  console.log("  $ holdfast daemon --cpus 4 &");
  const daemon = new Deno.Command(BINARY, { args: ["daemon", "--cpus", "4"], env, clearEnv: true })
    .spawn();
  await until("the supervisor answers", async () => (await quietly("node")).code === 0);
  return daemon;
}

async function fact(id: string, name: "state" | "exitCode" | "pid" | "adopted"): Promise<unknown> {
  return JSON.parse((await quietly("status", "--json", id)).output).job[name];
}

async function runs(id: string): Promise<void> {
  await until(`job ${id} runs`, async () => await fact(id, "state") === "RUNNING");
}

/** Everything that the demo has started, by the mark in its environment. */
function ours(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return pid > 0 && Deno.readTextFileSync(`/proc/${pid}/environ`).includes(`${MARK}=${home}`);
    } catch {
      return false;
    }
  });
}

let daemon: Deno.ChildProcess | undefined;

async function demo(): Promise<void> {
  say("1. A supervisor starts, and takes three jobs.");
  daemon = await startSupervisor();
  const count = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.1; done";
  const counter = (await type("submit", "--name", "counter", "sh", "-c", count)).output.trim();
  const ender = (await type("submit", "--name", "ender", "sh", "-c", "sleep 1.5; exit 7")).output
    .trim();
  const sleeper = (await type("submit", "--name", "sleeper", "sleep", "1000")).output.trim();
  for (const id of [counter, ender, sleeper]) await runs(id);
  const pid = await fact(counter, "pid");
  await type("list");

  say("2. kill -9: the supervisor dies in the middle. Its jobs do not notice.");
  console.log(`  $ kill -9 ${daemon.pid}`);
  daemon.kill("SIGKILL");
  await daemon.status;
  daemon = undefined;
  check((await type("list")).code === 4, "nobody answers now");
  const record = `${home}/state/exits/${ender}`;
  await until(`job ${ender} ends with nobody watching`, () => Promise.resolve(exists(record)));
  console.log(`  … job ${ender} has ended meanwhile; its shim has kept the exit status`);

  say("3. The next supervisor takes everything back before it answers anybody.");
  daemon = await startSupervisor();
  await type("list");
  check(await fact(counter, "adopted") === true, `job ${counter} was adopted`);
  check(await fact(counter, "pid") === pid, `and is still process ${pid}`);
  check(
    await fact(ender, "exitCode") === "7:0",
    `job ${ender} ended unwatched and has its real exit code, 7:0`,
  );
  check((await type("wait", ender)).code === 7, "wait exits as it did");

  say("4. Adopted jobs are under full control: cancel one.");
  await type("cancel", sleeper);
  check((await type("wait", sleeper)).code === 143, "it was ended by SIGTERM (128 + 15)");
  check(await fact(sleeper, "state") === "CANCELLED", "and is CANCELLED");

  say("5. The counter counts on to its end. Its log has no gap.");
  const { code, output } = await quietly("logs", "-f", counter);
  const lines = output.trimEnd().split("\n");
  console.log(`  $ holdfast logs -f ${counter}\n    ${lines[0]} … ${lines.at(-1)}`);
  const whole = Array.from({ length: 60 }, (_, i) => `line ${i + 1}`);
  check(code === 0 && lines.join() === whole.join(), "all 60 lines, in order, each once");
  check(await fact(counter, "exitCode") === "0:0", "and its exit code is 0:0");
  await type("history", counter);

  say("6. The supervisor goes.");
  console.log(`  $ kill ${daemon.pid}`);
  daemon.kill("SIGTERM");
  check((await daemon.status).code === 0, "it ended as asked");
  daemon = undefined;
  await until("every process has ended", () => Promise.resolve(ours().length === 0));
  check(true, "no process is left");
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function cleanUp(): void {
  for (const pid of ours()) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It ended first.
    }
  }
  Deno.removeSync(home, { recursive: true });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    cleanUp();
    Deno.exit(1);
  });
}

let failure: unknown;
try {
  await demo();
} catch (error) {
  failure = error;
}
cleanUp();
if (failure) {
  console.error(`\nThe demo failed: ${failure instanceof Error ? failure.message : failure}`);
  Deno.exit(1);
}
console.log(`  ✓ no file is left\n\nThat is the main job: nothing was lost, nothing ran twice.`);
