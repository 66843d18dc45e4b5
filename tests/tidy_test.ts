/**
 * Guards the walls of the house: who may import whom, what a pure room must not know, and that the
 * tree stays tidy. The tables are the rules; a new room gets its row here before its first file.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path/posix";

interface Room {
  /** `*` within a folder, `**` across folders. A file lives in the first room that names it. */
  files: string[];
  imports: string[];
  /** What `await import()` may load, on top of `imports`. */
  lazy?: string[];
  /** npm packages; without the key, every dependency of package.json. */
  packages?: string[];
  pure?: true;
}

const JOB = "src/job/**";
const PORTS = "src/ports.ts";
const HOST = "src/host/**";
const STORE = "src/store/**";
const RECOVER = "src/recover/**";
const SUPERVISOR = "src/supervisor/**";
const VARLINK = "src/varlink/**";
const CLI = "src/cli/**";
const COLUMNS = "src/store/columns.ts";
const PLANS = ["plan.ts", "plan_rebuild.ts", "plan_remains.ts", "job_traces.ts"];
const MENDING = ["mend.ts", "mend_allocation.ts", "mend_job.ts"];
const VERDICTS = ["family.ts", "usage.ts", "verdict.ts", ...PLANS, ...MENDING].map((name) =>
  `src/recover/${name}`
);
const DECISIONS = [
  "decide.ts",
  "ending_note.ts",
  "health.ts",
  "schedule.ts",
  "queue.ts",
  "lanes.ts",
  "heap.ts",
  "start_order.ts",
  "steady_time.ts",
  "cpu_sets.ts",
  "log_cut.ts",
].map((name) => `src/supervisor/${name}`);
const WIRE = ["interface.ts", "framing.ts", "unfinished.ts", "*.varlink"].map((name) =>
  `src/varlink/${name}`
);
const CLIENT = "src/varlink/client.ts";
const SERVICE = ["service*.ts", "streams.ts", "wire.ts"].map((name) => `src/varlink/${name}`);
const CALLED = "src/called.ts";
const PROLOGUE = "src/prologue/**";
const ROOTS = [
  CALLED,
  ...["config", "ignored_signals", "limit_text", "paths", "uncaught", "units", "version"].map((
    name,
  ) => `src/${name}.ts`),
];
/** They change nothing, so they get nothing that takes a lock, opens a journal or makes a directory. */
const LOOKS = ["looking.ts", "recovery_plan.ts", "rebuild_plan.ts", "start_settings.ts"]
  .map((name) => `src/${name}`);
const SEEN_BY_LOOKS = [
  ...["settings.ts", "directories.ts", "log_output.ts"],
  ...["carriers.ts", "cgroup_ground.ts", "cgroups.ts", "clock.ts", "lock_holder.ts", "proc.ts"]
    .map((name) => `host/${name}`),
  ...["outlet.ts", "processes.ts", "run_files.ts", "temporary.ts"].map((name) => `host/${name}`),
  ...["foresee.ts", "job_traces.ts", "older_journal.ts", "plan.ts", "survey.ts"]
    .map((name) => `recover/${name}`),
  ...["inspect.ts", "journal.ts", "journal_copy.ts"].map((name) => `store/${name}`),
].map((name) => `src/${name}`);
const CLI_IMPORTS = [CLI, CLIENT, ...WIRE, JOB, ...ROOTS];

const ROOMS: Room[] = [
  { files: [JOB], imports: [JOB], packages: ["valibot"], pure: true },
  { files: [PORTS], imports: [JOB], packages: [], pure: true },
  { files: VERDICTS, imports: [JOB, PORTS, COLUMNS, ...VERDICTS], packages: [], pure: true },
  {
    files: DECISIONS,
    imports: [
      JOB,
      PORTS,
      ...DECISIONS,
      "src/recover/verdict.ts",
      "src/supervisor/turn_times.ts",
      "src/units.ts",
    ],
    packages: [],
    pure: true,
  },
  { files: WIRE, imports: [JOB, ...WIRE], packages: [], pure: true },
  { files: [COLUMNS], imports: [JOB], packages: [], pure: true },

  { files: ["src/prologue/build.ts"], imports: [PROLOGUE], packages: [] },
  { files: [PROLOGUE], imports: [PROLOGUE, CALLED], packages: [], pure: true },
  { files: [HOST], imports: [HOST, PORTS, JOB, "src/ignored_signals.ts"] },
  { files: [STORE], imports: [STORE, JOB] },
  // Neither knows the host: it reaches them through the ports.
  { files: [RECOVER], imports: [RECOVER, STORE, PORTS, JOB] },
  { files: [SUPERVISOR], imports: [SUPERVISOR, RECOVER, STORE, PORTS, JOB, "src/units.ts"] },
  // The command line loads the client: it must stay light.
  { files: [CLIENT], imports: [...WIRE, JOB] },
  { files: SERVICE, imports: [VARLINK, SUPERVISOR, STORE, PORTS, JOB] },
  { files: [VARLINK], imports: [VARLINK, HOST, JOB, "src/version.ts"] },

  {
    files: ["src/cli/daemon.ts"],
    imports: CLI_IMPORTS,
    lazy: ["src/daemon.ts", "src/start_settings.ts"],
  },
  { files: ["src/cli/recover.ts"], imports: CLI_IMPORTS, lazy: ["src/recovery_plan.ts"] },
  {
    files: ["src/cli/rebuild.ts"],
    imports: CLI_IMPORTS,
    lazy: ["src/rebuild.ts", "src/rebuild_plan.ts"],
  },
  { files: [CLI], imports: CLI_IMPORTS },
  { files: ROOTS, imports: [JOB, ...ROOTS] },
  { files: ["src/settings.ts"], imports: ROOTS },
  { files: ["src/log_output.ts"], imports: [JOB, ...ROOTS] },
  { files: ["src/directories.ts"], imports: [HOST, ...ROOTS] },
  { files: ["src/ending.ts"], imports: [SUPERVISOR, JOB, ...ROOTS] },
  { files: LOOKS, imports: [...LOOKS, ...SEEN_BY_LOOKS, ...ROOTS, PORTS, JOB] },
  {
    files: ["daemon.ts", "node_parts.ts", "rebuild.ts"].map((name) => `src/${name}`),
    imports: ["src/**"],
  },
  { files: ["main.ts"], imports: ["src/**"] },
];

/** A pure room answers from its arguments alone. */
const IMPURE: Record<string, RegExp> = {
  "Deno.*": /\bDeno\./,
  "the clock": /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bTemporal\.Now\b/,
  "a timer": /\bset(Timeout|Interval|Immediate)\b/,
  "chance": /\bMath\.random\b|\bcrypto\./,
  "the network": /\bfetch\(|\bWebSocket\b/,
  "node:*": /["']node:/,
};

/** Written in pieces, so that this file passes its own test. */
const UNWANTED: Record<string, RegExp> = {
  "a note to self": new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X".repeat(3)].join("|")})\\b`),
  "a path of one machine": new RegExp("(?<![\\w.~}-])/wo" + "rk/"),
  "a package registry": new RegExp(
    "\\bregis" + "try\\.[\\w-]+\\.\\w|//[^/\\s]*\\b(artifactory|verdaccio|jfrog)\\b",
  ),
  "a download address in the lock file": new RegExp('"resol' + 'ved":\\s*"http'),
};

/** Where a person reads what is printed; elsewhere there is the log. */
const CONSOLE = [CLI];
const MAX_LINES = 400;
const ROOT = resolve(import.meta.dirname!, "..");

function matches(path: string, globs: string[]): boolean {
  return globs.some((glob) => {
    const pattern = glob.replaceAll(".", "\\.").replace(
      /\*\*?/g,
      (stars) => stars === "**" ? ".*" : "[^/]*",
    );
    return new RegExp(`^${pattern}$`).test(path);
  });
}

function roomOf(path: string): Room | undefined {
  return ROOMS.find((room) => matches(path, room.files));
}

/** Blanks comments; strings are stepped over, because "/proc/*" begins no comment. */
function codeOf(text: string): string {
  return text.replace(
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[^]*?\*\/|\/\/[^\n]*/g,
    (token) => token.startsWith("/") ? " " : token,
  );
}

function importsOf(text: string): { from: string; lazy: boolean }[] {
  const code = codeOf(text);
  const fixed = /^\s*(?:import|export)\s*(?:[^"';]*?[\s}]from\s*)?["']([^"']+)["']/gm;
  const lazy = /\bimport\(\s*(?:["']([^"']+)["'])?/g;
  return [
    ...Array.from(code.matchAll(fixed), (match) => ({ from: match[1]!, lazy: false })),
    ...Array.from(code.matchAll(lazy), (match) => ({ from: match[1] ?? "(computed)", lazy: true })),
  ];
}

function brokenWalls(path: string, text: string, dependencies: string[]): string[] {
  const room = roomOf(path);
  if (!room) return [`${path} lives in no room`];
  const broken: string[] = [];
  for (const { from, lazy } of importsOf(text)) {
    if (from.startsWith("node:")) continue;
    const target = from.startsWith(".") ? join(dirname(path), from) : undefined;
    const allowed = target
      ? matches(target, [...room.imports, ...(lazy ? room.lazy ?? [] : [])])
      : (room.packages ?? dependencies).includes(from);
    if (!allowed) broken.push(`${path} ${lazy ? "loads" : "imports"} ${target ?? from}`);
  }
  return broken;
}

function impurities(path: string, text: string): string[] {
  if (!roomOf(path)?.pure) return [];
  return findings(path, codeOf(text), IMPURE);
}

function findings(path: string, text: string, rules: Record<string, RegExp>): string[] {
  const lines = text.split("\n");
  return Object.entries(rules).flatMap(([what, pattern]) => {
    const at = lines.findIndex((line) => pattern.test(line));
    return at < 0 ? [] : [`${path}: ${what}: ${lines[at]!.trim()}`];
  });
}

function untidy(path: string, text: string): string[] {
  const lines = text.split("\n").length - 1;
  return [
    ...(lines > MAX_LINES ? [`${path} has ${lines} lines`] : []),
    ...(text.startsWith("/**") ? [] : [`${path} has no header comment`]),
    ...(/\bconsole\./.test(codeOf(text)) && !matches(path, CONSOLE)
      ? [`${path} uses the console`]
      : []),
  ];
}

function* sources(directory: string): Generator<[path: string, text: string]> {
  for (const entry of Deno.readDirSync(join(ROOT, directory))) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts")) yield [path, Deno.readTextFileSync(join(ROOT, path))];
  }
}

function trackedTexts(): [path: string, text: string][] {
  const { success, stdout, stderr } = new Deno.Command("git", {
    args: ["-c", "safe.directory=*", "ls-files", "-z"],
    cwd: ROOT,
  }).outputSync();
  assert.ok(success, `git ls-files: ${new TextDecoder().decode(stderr)}`);
  const paths = new TextDecoder().decode(stdout).split("\0").filter(Boolean);
  return paths.filter((path) => existsSync(join(ROOT, path)))
    .map((path): [string, string] => [path, Deno.readTextFileSync(join(ROOT, path))])
    .filter(([, text]) => !text.includes("\0"));
}

const SOURCES = [...sources("src")];
const MAIN: [string, string] = ["main.ts", Deno.readTextFileSync(join(ROOT, "main.ts"))];
const DEPENDENCIES = Object.keys(
  JSON.parse(Deno.readTextFileSync(join(ROOT, "package.json"))).dependencies,
);

Deno.test("imports point down only", () => {
  const all = [...SOURCES, MAIN];
  assert.deepEqual(all.flatMap(([path, text]) => brokenWalls(path, text, DEPENDENCIES)), []);
});

Deno.test("pure rooms know no clock, no chance and no operating system", () => {
  assert.deepEqual(SOURCES.flatMap(([path, text]) => impurities(path, text)), []);
});

Deno.test("source files are short, begin with what they own, and keep off the console", () => {
  assert.deepEqual(SOURCES.flatMap(([path, text]) => untidy(path, text)), []);
});

Deno.test("no tracked file holds a note to self, a machine's path or a registry", () => {
  assert.deepEqual(trackedTexts().flatMap(([path, text]) => findings(path, text, UNWANTED)), []);
});

Deno.test("a broken wall is seen", () => {
  const seen = (path: string, text: string) => brokenWalls(path, text, ["valibot", "commander"]);
  for (
    const [path, text] of [
      ["src/job/job.ts", 'import type { A } from "../host/proc.ts";'],
      ["src/job/job.ts", 'import { program } from "commander";'],
      ["src/host/proc.ts", 'import {\n  a,\n  b,\n} from "../store/journal.ts";'],
      ["src/recover/plan.ts", 'export * from "./survey.ts";'],
      ["src/supervisor/decide.ts", 'import "./supervisor.ts";'],
      ["src/varlink/client.ts", 'import { b } from "../host/libc.ts";'],
      ["src/varlink/server.ts", 'import { b } from "../supervisor/supervisor.ts";'],
      ["src/cli/submit.ts", 'const a = await import("../daemon.ts");'],
      ["src/cli/daemon.ts", 'import { daemon } from "../daemon.ts";'],
      ["src/cli/daemon.ts", "await import(name);"],
      ["src/store/journal.ts", 'const glob = "/proc/*";\nimport "../host/libc.ts"; // */'],
      ["src/store/journal.ts", 'import { a } from "undeclared";'],
      ["src/looking.ts", 'import { takeLock } from "./host/lock.ts";'],
      ["src/recovery_plan.ts", 'import { JournalFile } from "./store/database.ts";'],
      ["src/attic/old.ts", ""],
    ] as const
  ) assert.equal(seen(path, text).length, 1, text);
  assert.deepEqual(seen("src/cli/daemon.ts", 'await import("../daemon.ts");'), []);
  assert.deepEqual(
    seen("src/job/job.ts", '// import "../host/libc.ts"\nimport * as v from "valibot";'),
    [],
  );
});

Deno.test("an impure line and an untidy file are seen", () => {
  for (
    const line of ["Deno.pid", "Date.now()", "new Date()", "setTimeout(f)", 'import "node:fs";']
  ) {
    assert.equal(impurities("src/job/job.ts", line).length, 1, line);
    assert.equal(impurities("src/supervisor/supervisor.ts", line).length, 0, line);
  }
  assert.equal(impurities("src/job/job.ts", "new Date(ms) // not Date.now()").length, 0);
  assert.equal(untidy("src/host/a.ts", "console.log(1)" + "\n".repeat(MAX_LINES + 1)).length, 3);
  assert.equal(untidy("src/cli/a.ts", "/** Says. */\nconsole.log(1)\n").length, 0);
  for (
    const text of [
      "// TO" + "DO",
      "cd /wo" + "rk/main",
      "file:///wo" + "rk/a",
      "regis" + "try.npmjs.org",
    ]
  ) assert.equal(findings("a", text, UNWANTED).length, 1, text);
  assert.equal(findings("a", "${directory}/wo" + "rk/", UNWANTED).length, 0);
});
