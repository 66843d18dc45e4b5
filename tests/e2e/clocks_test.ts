/**
 * Clocks that jump and stand still, on the compiled binary: the supervisor alone is shown them, by
 * libraries that are loaded before the C library. Timeouts count on the boot clock, and no jump of
 * the wall clock makes a job end before it started or an event come before its cause.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { Job } from "../../src/varlink/interface.ts";
import { FakeClock, HAS_FAKETIME } from "./fake_clock.ts";
import { Home, tell, until } from "./home.ts";

if (!HAS_FAKETIME) console.log(`skipped: jumps of the wall clock; install libfaketime`);
const HAS_CC = await succeeds("cc", "--version");
if (!HAS_CC) console.log("skipped: suspend; there is no C compiler, cc");

const WAITING = "mkfifo code; exec 3<>code; read -r code <&3; exit $code";
const ORDER = ["QUEUED", "STARTING", "RUNNING", "COMPLETED", "FAILED"];
const HOUR_MS = 3_600_000;

Deno.test("the wall clock jumps by hours while jobs run: no timeout moves, no order is lost", {
  ignore: !HAS_FAKETIME,
}, async () => {
  await using home = new Home();
  const clock = new FakeClock(home.directory);
  await clock.start(home);
  const long = await home.submit(["sleep", "1000"], { timeout: 3600 });
  await home.running(long);
  const jobs: Job[] = [];
  for (const hours of [5, -9, 20, -100, 0]) {
    const timed = await home.submit(["sleep", "1000"], { timeout: 1 });
    const running = await home.running(timed);
    const short = await home.submit("sleep 0.05; exit 3");
    clock.jump(`${hours < 0 ? "" : "+"}${hours}h`);
    const after = await home.wait(await home.submit(["true"]));
    const shownMs = Date.parse(after.submittedAt) - Date.now() - hours * HOUR_MS;
    assert(Math.abs(shownMs) < HOUR_MS, `the clock has jumped: ${after.submittedAt}`);
    const ended = [await home.wait(timed), await home.wait(short)];
    assertEquals(ended.map(({ reason, exitCode }) => [reason, exitCode]), [
      ["timeout", "0:15"],
      ["exit", "3:0"],
    ]);
    assertEquals(ended[0]!.startedAt, running.startedAt);
    jobs.push(after, ...ended);
  }
  for (const job of jobs) assertOrdered(job);
  assertEquals((await home.status(long)).state, "RUNNING");
  for (const { id } of jobs) {
    const { events } = await home.use((client) => client.call("History", { id }));
    const states = events.map(({ state }) => ORDER.indexOf(state));
    assertEquals(states, [...states].sort(), JSON.stringify(events));
  }
});

Deno.test("deadlines survive restarts under another wall clock: neither early nor for ever", {
  ignore: !HAS_FAKETIME,
}, async () => {
  await using home = new Home();
  const clock = new FakeClock(home.directory);
  await clock.start(home);
  const long = await home.submit(["sleep", "1000"], { timeout: 3600 });
  const short = await home.submit(["sleep", "1000"], { timeout: 2, grace: 0 });
  for (const id of [long, short]) await home.running(id);
  await home.crash();
  clock.jump("-9h");
  await clock.start(home);
  assertEquals((await home.wait(short)).reason, "timeout");
  await home.crash();
  clock.jump("+9h");
  await clock.start(home);
  const job = await home.status(long);
  assertEquals([job.state, job.stopping, job.adopted], ["RUNNING", undefined, true]);
  assertOrdered(await home.status(short));
});

Deno.test("a job whose record is dated before its start, or its start after its end, ends as it starts", async () => {
  await using home = await Home.start();
  const early = await home.submit(WAITING);
  const late = await home.submit(WAITING.replaceAll("code", "late"));
  for (const id of [early, late]) await home.running(id);
  await home.crash();
  for (const name of ["code", "late"]) {
    await until("it can be told", () => exists(`${home.directory}/${name}`));
    tell(`${home.directory}/${name}`, 7);
  }
  await until("both are recorded", () => [...Deno.readDirSync(`${home.state}/exits`)].length === 2);
  const now = Date.now();
  const record = `${home.state}/exits/${early}`;
  const text = Deno.readTextFileSync(record);
  Deno.writeTextFileSync(record, text.replace(/ at \d+ /, ` at ${now - 5 * HOUR_MS} `));
  // The start of the other had not been journaled yet.
  Deno.utimeSync(`${home.state}/runs/${late}/proc`, 1, (now + 5 * HOUR_MS) / 1000);
  home.edit(
    `UPDATE jobs SET state = 'STARTING', started_at = NULL WHERE id = ${late};
    UPDATE resource_allocations SET process_id = NULL, process_start_ticks = NULL,
      shim_process_id = NULL, shim_start_ticks = NULL WHERE job_id = ${late}`,
  );
  await home.start();
  for (const id of [early, late]) {
    const job = await home.wait(id);
    assertEquals([job.exitCode, job.endedAt], ["7:0", job.startedAt]);
    assertOrdered(job);
  }
});

Deno.test(
  "a clock that shows a time before 1970 or after 9999 is told in one line, by every verb",
  {
    ignore: !HAS_FAKETIME,
  },
  async () => {
    await using home = new Home();
    const clock = new FakeClock(home.directory);
    for (const time of ["1960-01-01 00:00:00", "+9000y", "+400000y"]) {
      clock.jump(time);
      for (const words of [["--version"], ["list"], ["run", "true"], ["daemon"]]) {
        const { code, stdout, stderr } = await home.runAs({ env: clock.environment }, ...words);
        assertEquals([code, stdout], [125, ""], `${words} at ${time}`);
        assertMatch(
          stderr,
          /^holdfast: the clock shows a time before 1970 or after 9999; set it, .*\n$/,
        );
      }
    }
  },
);

Deno.test("a clock that is moved to such a time ends no supervisor and stops no job", {
  ignore: !HAS_FAKETIME,
}, async () => {
  await using home = new Home();
  const clock = new FakeClock(home.directory);
  await clock.start(home, ["--check-interval", "1s"]);
  const long = await home.submit(["sleep", "1000"]);
  const running = await home.running(long);
  for (const time of ["1960-01-01 00:00:00", "+9000y", "+0"]) {
    clock.jump(time);
    const timed = await home.submit(["sleep", "1000"], { timeout: 1 });
    const job = await home.wait(await home.submit("exit 3"));
    assertEquals([job.exitCode, (await home.wait(timed)).reason], ["3:0", "timeout"]);
    assertOrdered(job);
    assertMatch(job.submittedAt, /^\d{4}-/);
    assertEquals(withoutElapsed(await home.status(long)), withoutElapsed(running));
  }
  assertEquals((await home.run("prune")).stdout, "0 jobs removed\n");
});

function withoutElapsed({ elapsedMs: _, ...job }: Job): Omit<Job, "elapsedMs"> {
  return job;
}

/** CLOCK_BOOTTIME goes on in a suspend; CLOCK_MONOTONIC, by which timers ring, does not. */
const SUSPENDED = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
void *dlopen(const char *name, int flags) {
  void *(*next)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
  return next(name && !strcmp(name, "libc.so.6") ? getenv("LD_PRELOAD") : name, flags);
}
int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, clock, time);
  FILE *file = clock == CLOCK_BOOTTIME ? fopen(getenv("SUSPENDED_FILE"), "r") : NULL;
  long seconds = 0;
  if (file && fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
  if (file) fclose(file);
  return result;
}
`;

Deno.test("a deadline and a grace period that passed in a suspend are found by the regular check", {
  ignore: !HAS_CC,
}, async () => {
  await using home = new Home();
  const [source, library, file] = ["suspended.c", "suspended.so", "seconds"].map((name) =>
    `${home.directory}/${name}`
  ) as [string, string, string];
  Deno.writeTextFileSync(source, SUSPENDED);
  Deno.writeTextFileSync(file, "0");
  assert(await succeeds("cc", "-shared", "-fPIC", "-o", library, source, "-ldl"));
  home.launch(
    ["--check-interval", "1s"],
    ["env", `LD_PRELOAD=${library}`, `SUSPENDED_FILE=${file}`],
  );
  await until(`a supervisor answers; log: ${home.log}`, () => home.answers());
  const timed = await home.submit(["sleep", "1000"], { timeout: 3600 });
  const later = await home.submit(["sleep", "1000"], { timeout: 90_000 });
  const stubborn = await home.submit("trap '' TERM; echo up >up; while :; do sleep 0.1; done", {
    grace: 3600,
  });
  for (const id of [timed, later, stubborn]) await home.running(id);
  await until("it ignores SIGTERM", () => home.lines("up").length > 0);
  await home.cancel(stubborn);
  Deno.writeTextFileSync(file, "7200");
  assertEquals((await home.wait(timed)).reason, "timeout");
  assertEquals((await home.wait(stubborn)).exitCode, "0:9");
  assertEquals((await home.status(later)).state, "RUNNING");
});

function assertOrdered({ submittedAt, startedAt, endedAt }: Job): void {
  const times = [submittedAt, startedAt!, endedAt!].map((time) => Date.parse(time));
  assertEquals(times, [...times].sort((a, b) => a - b));
}

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  try {
    const quiet = { stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, { args, ...quiet }).output()).success;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
