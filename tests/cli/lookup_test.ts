import assert from "node:assert/strict";
import { cannotRun } from "../../src/cli/lookup.ts";
import { mayExecute } from "../../src/cli/may_execute.ts";

const LOOKUP = new URL("../../src/cli/lookup.ts", import.meta.url).href;
const NOBODY = 65534;

mayExecute("/"); // Loads the library, which stays, outside of any test.

/** A directory with files by their names: text, or bytes, executable unless said. */
class Place implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "holdfast-test-" }));

  write(name: string, content: string | Uint8Array, mode = 0o755): string {
    const file = `${this.path}/${name}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(file, content);
    else Deno.writeFileSync(file, content);
    Deno.chmodSync(file, mode);
    return file;
  }

  /** What stands against a command in this directory. */
  problem(command: string, PATH = "/usr/bin:/bin", directory = this.path): string | undefined {
    const found = cannotRun({ command: [command], directory, environment: { PATH } });
    if (found) assert.equal(found.field, "command");
    return found?.message;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test("a directory that is not there, is none or may not be entered is told as such", () => {
  using place = new Place();
  const file = place.write("file", "");
  Deno.symlinkSync("nowhere", `${place.path}/link`);
  const problem = (directory: string) => cannotRun({ command: ["true"], directory });
  const directory = (message: string) => ({ field: "directory", message });
  assert.equal(problem(place.path), undefined);
  assert.deepEqual(problem("/no/such"), directory("/no/such does not exist"));
  assert.deepEqual(problem(file), directory(`${file} is not a directory`));
  const link = `${place.path}/link`;
  assert.deepEqual(problem(link), directory(`${link} leads to nowhere, which does not exist`));
});

Deno.test("a command without a slash is looked for in the job's PATH, as execvp does", () => {
  using place = new Place();
  place.write("bin/tool", "#!/bin/sh\n");
  place.write("plain/tool", "#!/bin/sh\n", 0o644);
  place.write("here", "#!/bin/sh\n");
  Deno.mkdirSync(`${place.path}/folder/tool`, { recursive: true });
  const { path } = place;
  assert.equal(place.problem("tool", `/no/such:${path}/bin`), undefined);
  assert.equal(place.problem("tool", `${path}/plain:${path}/folder:${path}/bin`), undefined);
  assert.equal(
    place.problem("tool", "bin"),
    undefined,
    "a relative word, from the job's directory",
  );
  for (const empty of ["", ":/bin", "/bin:", "/bin::/usr/bin"]) {
    assert.equal(place.problem("here", empty), undefined, `an empty word: ${empty}`);
  }
  assert.equal(place.problem("tool", "/bin"), "tool is not found in PATH (/bin)");
  assert.equal(place.problem("tool", ""), "tool is not found in PATH (empty)");
  assert.equal(
    place.problem("tool", `${path}/folder:${path}/plain`),
    `tool is not found in PATH (${path}/folder:${path}/plain); ${path}/plain/tool is not executable`,
  );
  const withoutPath = { command: ["true"], directory: "/", environment: {} };
  assert.equal(cannotRun(withoutPath), undefined, "without PATH it is the usual one");
  assert.equal(cannotRun({ command: ["true"] }), undefined);
});

Deno.test("a command with a slash must be an executable regular file", () => {
  using place = new Place();
  const file = place.write("plain", "", 0o644);
  place.write("job.sh", "#!/bin/sh\n");
  Deno.symlinkSync("plain", `${place.path}/link`);
  Deno.symlinkSync("nowhere", `${place.path}/broken`);
  const { path } = place;
  assert.equal(place.problem("./job.sh"), undefined);
  assert.equal(place.problem(`${path}/job.sh`, "", "/"), undefined);
  assert.equal(place.problem("./nope"), `./nope does not exist (in ${path})`);
  assert.equal(place.problem(`${path}/nope`), `${path}/nope does not exist`);
  assert.equal(place.problem(file), `${file} is not executable`);
  assert.equal(place.problem(`${path}/link`), `${path}/link is not executable`);
  assert.equal(
    place.problem(`${path}/broken`),
    `${path}/broken leads to nowhere, which does not exist`,
  );
  assert.equal(place.problem(path), `${path} is a directory`);
  assert.equal(place.problem("/dev/null"), "/dev/null is not a regular file");
  assert.match(place.problem(`${file}/x`)!, /plain\/x cannot be reached: Not a directory$/);
  assert.equal(place.problem("./a b"), `"./a b" does not exist (in ${path})`);
});

Deno.test("a script's interpreter must be there and executable, through scripts and env", () => {
  using place = new Place();
  const { path } = place;
  const problem = (content: string) => {
    place.write("job", content);
    return place.problem("./job");
  };
  assert.equal(problem("#!/bin/sh -e\n"), undefined);
  assert.equal(problem("#!/usr/bin/env sh\n"), undefined);
  assert.equal(problem("echo a shell executes it\n"), undefined);
  assert.equal(
    problem("#!/usr/bin/pyhton\n"),
    "./job: its interpreter /usr/bin/pyhton does not exist",
  );
  assert.equal(problem("#!/etc\n"), "./job: its interpreter /etc is a directory");
  assert.equal(problem("#!/etc/passwd\n"), "./job: its interpreter /etc/passwd is not executable");
  assert.equal(problem("#!nosh\n"), `./job: its interpreter ./nosh does not exist (in ${path})`);
  assert.equal(
    problem("#!/usr/bin/env pyhton\n"),
    "./job: its interpreter pyhton is not found in PATH (/usr/bin:/bin)",
  );
  assert.match(problem("#!/usr/bin/env sh -e\n")!, /its interpreter "sh -e" is not found in PATH/);
  place.write("middle", "#!/no/such\n");
  assert.equal(
    problem(`#!${path}/middle\n`),
    `./job: its interpreter ${path}/middle: its interpreter /no/such does not exist`,
  );
  const round = place.write("round", `#!${path}/round\n`);
  assert.equal(place.problem(round), undefined, "for the kernel to say");
});

Deno.test("a first line that ends with CR LF has its own words", () => {
  using place = new Place();
  for (const [line, name] of [["#!/bin/sh", "/bin/sh\\r"], ["#!/usr/bin/env sh", "sh\\r"]]) {
    place.write("job.sh", `${line}\r\necho\r\n`);
    assert.equal(
      place.problem("./job.sh"),
      `./job.sh: its first line ends with CR LF, as on Windows, and so names "${name}", ` +
        `which does not exist; take out the CRs: sed -i 's/\\r$//' ${place.path}/./job.sh`,
    );
  }
  place.write("perl", "#!/bin/sh -\r\n");
  assert.equal(
    place.problem("./perl"),
    undefined,
    "what an interpreter makes of its argument is its own",
  );
});

Deno.test("an ELF file's loader must be there, and its machine be this one", () => {
  using place = new Place();
  const { path } = place;
  const program = Deno.readFileSync("/bin/true");
  const text = new TextDecoder("latin1").decode(program);
  const at = /\/lib[^\0]*\/ld-[^\0]*/.exec(text);
  assert.ok(at, "true(1) has a loader");
  const moved = program.slice();
  moved.set(new TextEncoder().encode("/lyb"), at.index);
  place.write("tool", moved);
  assert.equal(
    place.problem("./tool"),
    `./tool: its loader ${at[0].replace("/lib", "/lyb")} does not exist`,
  );
  assert.equal(
    place.problem("tool", path),
    `${path}/tool: its loader ${at[0].replace("/lib", "/lyb")} does not exist`,
  );
  const foreign = program.slice();
  foreign[18] = 22;
  place.write("foreign", foreign);
  // Where the kernel knows other formats, nothing is said.
  const message = place.problem("./foreign");
  if (message !== undefined) {
    assert.match(message, /^\.\/foreign: it is a program for s390x, and this machine is /);
  }
  place.write("tool", program);
  assert.equal(place.problem("./tool"), undefined);
});

Deno.test({
  name:
    "what the user may not reach or execute is told, and what he may not read is not looked into",
  ignore: Deno.uid() !== 0,
  fn() {
    using place = new Place();
    Deno.chmodSync(place.path, 0o755);
    place.write("closed/job", "#!/bin/sh\n");
    place.write("unread", "#!/no/such\n", 0o711);
    place.write("others", "#!/bin/sh\n", 0o744);
    Deno.chmodSync(`${place.path}/closed`, 0o700);
    const looks = [["true", "/closed"], ["./closed/job", ""], ["./unread", ""], ["./others", ""]];
    const script = `import { cannotRun } from ${JSON.stringify(LOOKUP)};
      const looks = ${JSON.stringify(looks)};
      console.log(JSON.stringify(looks.map(([command, below]) =>
        cannotRun({ command: [command], directory: ${
      JSON.stringify(place.path)
    } + below })?.message)));`;
    assert.deepEqual(JSON.parse(asNobody(script, place.path)), [
      `${place.path}/closed may not be entered`,
      `./closed/job cannot be reached: Permission denied (in ${place.path})`,
      null,
      `./others is not executable (in ${place.path})`,
    ]);
  },
});

/** What a program of another user prints. */
function asNobody(program: string, directory: string): string {
  Deno.mkdirSync(`${directory}/cache`);
  Deno.chownSync(`${directory}/cache`, NOBODY, NOBODY);
  const { success, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
    env: { DENO_DIR: `${directory}/cache` },
    uid: NOBODY,
    gid: NOBODY,
  }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
