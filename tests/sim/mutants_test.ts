/** Shows that the simulation catches: one deliberate fault at a time is put into a copy of the source. */

import { join, resolve } from "node:path";
import { assert, assertEquals } from "../assert.ts";

const ROOT = resolve(import.meta.dirname!, "../..");
const SEEDS = 3000;

interface Mutant {
  readonly fault: string;
  readonly file: string;
  /** It must occur exactly once, so that a change of the source cannot make a mutant harmless. */
  readonly from: string;
  readonly to: string;
}

const MUTANTS: Mutant[] = [
  {
    fault: "a job is released before its family is dead",
    file: "src/supervisor/decide.ts",
    from: "if (family.length === 0) return journal",
    to: "return journal",
  },
  {
    fault: "an unclaimed job is queued again without the fence",
    file: "src/supervisor/decide.ts",
    from: 'case "fence":\n      return { kind: "fence" };',
    to: 'case "fence":\n      return journal({ kind: "fenced" });',
  },
  {
    fault: "the exit record is removed before the end is committed",
    file: "src/supervisor/supervisor.ts",
    from: "aftermath.then(() => files.removeExitRecord(id));",
    to: "files.removeExitRecord(id);",
  },
  {
    fault: "a bare pid is trusted",
    file: "src/job/identity.ts",
    from: "observed.startTicks === recorded.startTicks && !observed.zombie",
    to: "!observed.zombie",
  },
  {
    fault: "effects come before the intent is journaled",
    file: "src/supervisor/aftermath.ts",
    from: "this.#effects.push(effect);",
    to: "effect();",
  },
  {
    fault: "a submission is acknowledged before it is durable",
    file: "src/supervisor/loop.ts",
    from: "this.#answers.push(answer(request, mayAnswer));",
    to: "const told = answer(request, mayAnswer); this.#answers.push(told); " +
      "if (told !== UNFINISHED) request.respond(told);",
  },
  {
    fault: "memory keeps what the journal has refused",
    file: "src/supervisor/loop.ts",
    from: "this.#try(() => load());",
    to: "",
  },
  {
    fault: "an unknown exit status is told as 0",
    file: "src/job/exit_status.ts",
    from: "{ code: -999, signal: 0 }",
    to: "{ code: 0, signal: 0 }",
  },
  {
    fault: "a job of another boot is judged by its claim",
    file: "src/recover/verdict.ts",
    from: 'if (!seen.sameGround) return over(lost(job, seen, "reboot"));',
    to: "",
  },
  {
    fault: "processes that left the session are not looked for",
    file: "src/recover/family.ts",
    from: "p.token === token || within(p)",
    to: "within(p)",
  },
  {
    fault: "processes that a cgroup alone can find are not looked for",
    file: "src/recover/survey.ts",
    from: "const inside = this.#inCgroup(job);",
    to: "const inside: ProcessIdentity[] = [];",
  },
  {
    fault: "cgroups that nobody came to remove are not swept",
    file: "src/supervisor/upkeep.ts",
    from: "if (!cgroups) return;",
    to: "return;",
  },
  {
    fault: "cgroups of jobs that are just being started are swept",
    file: "src/supervisor/upkeep.ts",
    from: "if (live.has(directory) || cgroups.remove(directory)) continue;",
    to: "if (cgroups.remove(directory)) continue;",
  },
  {
    fault: "a stop that comes too late takes the place of a job's own end",
    file: "src/supervisor/supervisor.ts",
    from: "if (job.stopping || hasEndedByItself(job, this.#survey.look(job))) return;",
    to: "if (job.stopping) return;",
  },
  {
    fault: "more is given out than there is",
    file: "src/supervisor/schedule.ts",
    from: "need.cpus <= free.cpus && ",
    to: "",
  },
  {
    fault: "a pinned job gets CPUs that others have for themselves",
    file: "src/supervisor/cpu_sets.ts",
    from: "return all.filter((id) => !held.has(id));",
    to: "return [...all];",
  },
  {
    fault: "a pool's limit does not hold",
    file: "src/supervisor/schedule.ts",
    from: "poolRoom(pool) - this.#takenOf(pool)",
    to: "poolRoom(pool)",
  },
  {
    fault: "a held job starts",
    file: "src/supervisor/queue.ts",
    from: "job.held || ",
    to: "",
  },
  {
    fault: "what many jobs have been cancelled by is forgotten when the supervisor dies",
    file: "src/supervisor/supervisor.ts",
    from: "this.largeChanges.load();",
    to: "",
  },
  {
    fault: "a job that is to end with many others starts meanwhile",
    file: "src/supervisor/large_changes.ts",
    from: "roster.takeOut(queued);",
    to: "",
  },
  {
    fault: "readers see of a change of many jobs what has been written of it",
    file: "src/store/overlay.ts",
    from: 'return ends && state === "QUEUED" ? "CANCELLED" : state;',
    to: "return state;",
  },
  {
    fault: "an array whose submission was broken off is left half written",
    file: "src/supervisor/large_changes.ts",
    from: 'if (change.kind === "submit") journal.removeUnseen(change);',
    to: 'if (change.kind === "submit") journal.endLargeChange(change);',
  },
  {
    fault: "what is left to be written of a job is passed by when it starts",
    file: "src/supervisor/dispatcher.ts",
    from: "    settle(job.id);\n    const token",
    to: "    const token",
  },
  {
    fault: "a job is told as running before its command is executed",
    file: "src/recover/verdict.ts",
    from: "isPreparing(job, seen) || isTelling(job, seen)",
    to: "isTelling(job, seen)",
  },
  {
    fault: "ended jobs are as old as the wall clock says",
    file: "src/supervisor/steady_clock.ts",
    from: "return steadyMs + Math.max(0, Math.round(this.parts.clock.bootMs()) - seen.bootMs);",
    to: "return steadyMs + this.parts.clock.wallMs() - seen.wallMs;",
  },
  {
    fault: "what a clock says that the node was off is believed at once",
    file: "src/supervisor/steady_time.ts",
    from: "isUsual ? known : [...known, doubt]",
    to: "known",
  },
  {
    fault: "lost hints are not made up for",
    file: "src/supervisor/upkeep.ts",
    from: "supervisor.childrenEnded();\n    supervisor.check((found) => this.#report(found));",
    to: "",
  },
  {
    fault: "a start is sent before the commit of STARTING",
    file: "src/supervisor/dispatcher.ts",
    from: "aftermath.then(() => reconciler.start(job.id, attempt, spec, array));",
    to: "reconciler.start(job.id, attempt, spec, array);",
  },
  {
    fault: "an end is journaled although descendants live",
    file: "src/recover/survey.ts",
    from: "if (told?.finalUsage ??",
    to: "if (told?.end ??",
  },
  {
    fault: "descendants that carry no token are not looked for",
    file: "src/recover/family.ts",
    from: "descendants.has(p) || ",
    to: "",
  },
  {
    fault: "a fence makes a missing run directory",
    file: "tests/sim/disk.ts",
    from: "const run = this.#runs.get(id);\n    if (!run) return false;\n    run.usage",
    to: "this.create(id);\n    const run = this.#runs.get(id)!;\n    run.usage",
  },
  {
    fault: "a shim claims by rename",
    file: "tests/sim/disk.ts",
    from: "if (claims.has(attempt)) return false;",
    to: 'if (claims.has(attempt) && claim.kind === "fence") return false;',
  },
  {
    fault: "a shim gives the word before its leader's name is on disk",
    file: "tests/sim/scripts.ts",
    from: "const pipes: Pipes = {};",
    to: "const pipes: Pipes = { hasWord: true };",
  },
  {
    fault: "a leader executes its command without its shim's word",
    file: "tests/sim/scripts.ts",
    from: "if (!pipes.hasWord) return exit(NOT_STARTED);",
    to: "",
  },
  {
    fault: "a shim writes its record before its job has ended",
    file: "tests/sim/scripts.ts",
    from: "yield* reaping(kernel, self, leader, () => isZombie(leader));",
    to: "yield* written(kernel, () => (disk.writeExit(id, { exit: exit(0), usage: USAGE, " +
      "atMs: disk.now(), isFinal: false, isRefused: false }), true));\n" +
      "  yield* reaping(kernel, self, leader, () => isZombie(leader));",
  },
  {
    fault: "a shim takes a descendant for its leader",
    file: "tests/sim/scripts.ts",
    from: "yield* reaping(kernel, self, leader, () => isZombie(leader));\n" +
      "  const end = { exit: leader.exit!,",
    to: "const ended = () => kernel.childrenOf(self).find(isZombie);\n" +
      "  yield { until: () => ended() !== undefined };\n" +
      "  const end = { exit: ended()!.exit!,",
  },
  {
    fault: "a shim ends while its job's descendants live",
    file: "tests/sim/scripts.ts",
    from: "const isFinal = isAlone();",
    to: "const isFinal = true;",
  },
  {
    fault: "a shim that reaches us is not told to its job",
    file: "src/recover/grip.ts",
    from: "return isOurs ? this.#hear(id, held) : undefined;",
    to: "return undefined;",
  },
];

async function playMutant(directory: string, { file, from, to }: Mutant): Promise<string> {
  const copies = ["src", "tests/sim", "deno.json", "package.json"];
  await Deno.mkdir(join(directory, "tests"));
  for (const path of copies) {
    const cp = ["-R", join(ROOT, path), join(directory, path)];
    assert((await new Deno.Command("cp", { args: cp }).output()).success);
  }
  await Deno.symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const text = await Deno.readTextFile(join(ROOT, file));
  assertEquals(text.split(from).length - 1, 1, `${file} has not exactly one "${from}"`);
  await Deno.writeTextFile(join(directory, file), text.replace(from, to));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "tests/sim/main.ts", "--seeds", String(SEEDS)],
    cwd: directory,
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

for (const mutant of MUTANTS) {
  Deno.test(`the simulation catches: ${mutant.fault}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "holdfast-mutant-" });
    try {
      const said = await playMutant(directory, mutant);
      assert(/^seed \d+: /m.test(said), `not caught in ${SEEDS} histories: ${said}`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
