/**
 * Runs every `*_test.ts` below tests/ and prints true totals as its last line. Each file gets a
 * process of its own, so that a crash, a leaked child or a changed signal mask stays in its file.
 *
 *   npm test                       everything
 *   npm test -- host journal       the files whose path contains "host" or "journal"
 *   npm test -- --filter=fence     options go to `deno test`
 *
 * The binary under test is $HOLDFAST_BIN; without it dist/holdfast is built first.
 */
import { join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname!, "..");
const FILE_LIMIT_MS = 10 * 60_000;
/** How long output is awaited after the end of its process: a daemon left behind may hold the pipe. */
const DRAIN_MS = 1_000;

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** The last summary line counts; without one the file did not get to its end. */
function totalsOf(output: string, success: boolean): Totals {
  const summary = output.match(/^(ok|FAILED) \| \d+ passed.*$/gm)?.at(-1);
  const count = (word: string) =>
    Number(new RegExp(`(\\d+) ${word}`).exec(summary ?? "")?.[1] ?? 0);
  const totals = { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
  if (totals.failed === 0 && !(success && summary)) totals.failed = 1;
  return totals;
}

async function testFiles(words: string[]): Promise<string[]> {
  const files: string[] = [];
  const walk = async (directory: string) => {
    for await (const entry of Deno.readDir(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory) await walk(path);
      else if (entry.name.endsWith("_test.ts")) files.push(relative(ROOT, path));
    }
  };
  await walk(join(ROOT, "tests"));
  return files.sort().filter((file) =>
    words.length === 0 || words.some((word) => file.includes(word))
  );
}

async function build(): Promise<string | undefined> {
  const given = Deno.env.get("HOLDFAST_BIN");
  if (given) return resolve(given);
  const { success } = await new Deno.Command("./compile.sh", {
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  return success ? join(ROOT, "dist/holdfast") : undefined;
}

async function pump(stream: ReadableStream<Uint8Array>, emit: (text: string) => void) {
  const decoder = new TextDecoder();
  for await (const chunk of stream) emit(decoder.decode(chunk, { stream: true }));
}

async function runFile(file: string, options: string[], binary: string | undefined, live: boolean) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", ...options, file],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...(binary ? { HOLDFAST_BIN: binary } : {}) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const show = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  const emit = (text: string) => {
    output += text;
    if (live) show(text);
  };
  const pumps = [pump(child.stdout, emit), pump(child.stderr, emit)];
  const timer = setTimeout(() => {
    emit(`\n${file}: still running after ${FILE_LIMIT_MS / 1000} s, killed\n`);
    child.kill("SIGKILL");
  }, FILE_LIMIT_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  await Promise.race([Promise.all(pumps), new Promise((done) => setTimeout(done, DRAIN_MS))]);
  if (!live) show(output);
  return totalsOf(output, success);
}

async function main(args: string[]): Promise<boolean> {
  const options = args.filter((arg) => arg.startsWith("-"));
  const words = args.filter((arg) => !arg.startsWith("-"));
  const files = await testFiles(words);
  const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const run = async (file: string, binary: string | undefined, live: boolean) => {
    const totals = await runFile(file, options, binary, live);
    sum.passed += totals.passed;
    sum.failed += totals.failed;
    sum.skipped += totals.skipped;
    if (totals.failed > 0) failures.push(`${file}: ${totals.failed} failed`);
  };
  const fail = (message: string) => {
    sum.failed++;
    failures.push(message);
  };

  const binary = await build();
  if (!binary) fail("./compile.sh failed: tests/e2e did not run");
  if (files.length === 0) fail(`no test file matches ${words.join(" ")}`);

  const endToEnd = files.filter((file) => file.startsWith("tests/e2e/"));
  const waiting = files.filter((file) => !endToEnd.includes(file));
  const worker = async () => {
    for (let file; (file = waiting.shift());) await run(file, binary, false);
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, worker));
  // One at a time: these start daemons and measure time.
  for (const file of binary ? endToEnd : []) await run(file, binary, true);

  console.log();
  for (const failure of failures) console.log(failure);
  if (sum.skipped > 0) console.log(`${sum.skipped} skipped`);
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  return sum.failed === 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);
