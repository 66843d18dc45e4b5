/** A command is found as execvp(3) finds it: compared with the C library's own, over a matrix. */

import { assertEquals } from "../assert.ts";
import { buildKeeper, KeeperHome } from "./keeper_home.ts";

buildKeeper();

/** What may be under the command's name in a directory of PATH; "absent" for nothing. */
const KINDS = [
  "absent",
  "good",
  "plain",
  "directory",
  "unmarked",
  "uninterpreted",
  "dangling",
] as const;
type Kind = typeof KINDS[number];
const NAME = "searched";

function make(directory: string, kind: Kind): void {
  Deno.mkdirSync(directory);
  const path = `${directory}/${NAME}`;
  const says = `echo ${directory.split("/").at(-1)}\n`;
  switch (kind) {
    case "absent":
      return;
    case "good":
      return Deno.writeTextFileSync(path, `#!/bin/sh\n${says}`, { mode: 0o755 });
    case "plain":
      return Deno.writeTextFileSync(path, `#!/bin/sh\n${says}`, { mode: 0o644 });
    case "directory":
      return Deno.mkdirSync(path);
    case "unmarked":
      return Deno.writeTextFileSync(path, says, { mode: 0o755 });
    case "uninterpreted":
      return Deno.writeTextFileSync(path, `#!/no/such\n${says}`, { mode: 0o755 });
    case "dangling":
      return Deno.symlinkSync("/no/such", path);
  }
}

/** Calls execvp(3) with the environment that env has made; what it says of a failure is its errno. */
function byTheLibrary(path: string, directory: string): string {
  const { stdout, stderr } = new Deno.Command("env", {
    args: [`PATH=${path}`, NAME],
    cwd: directory,
    clearEnv: true,
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return text(stdout) || /[^:]+$/.exec(text(stderr))![0].trim();
}

async function byUs(home: KeeperHome, path: string, directory: string): Promise<string> {
  const { stdout, record } = await home.run({
    command: [NAME],
    directory,
    environment: { PATH: path },
  });
  const why = record?.refusal?.why;
  if (why === undefined) return stdout.trim();
  // "is a directory" is what we make of it.
  return /not found|is not there/.test(why) ? "No such file or directory" : "Permission denied";
}

Deno.test("whatever lies in the directories of PATH, the same is executed as by execvp", async () => {
  await using home = new KeeperHome();
  const root = `${home.directory}/places`;
  Deno.mkdirSync(root);
  const cases: string[] = [];
  for (const first of KINDS) {
    for (const second of KINDS) {
      const place = `${root}/${first}-${second}`;
      Deno.mkdirSync(place);
      make(`${place}/first`, first);
      make(`${place}/second`, second);
      cases.push(place);
    }
  }
  const ours = await Promise.all(
    cases.map((place) => byUs(home, `${place}/first:${place}/second`, "/")),
  );
  cases.forEach((place, i) =>
    assertEquals(ours[i], byTheLibrary(`${place}/first:${place}/second`, "/"), place)
  );
});

Deno.test("an empty word of PATH is the working directory, and what is no directory is passed over", async () => {
  await using home = new KeeperHome();
  const root = `${home.directory}/places`;
  Deno.mkdirSync(root);
  make(`${root}/here`, "good");
  make(`${root}/there`, "absent");
  const here = `${root}/here`, there = `${root}/there`;
  const long = "x".repeat(5000);
  for (
    const path of [
      "",
      ":",
      `${there}:`,
      `:${there}`,
      `${there}::${there}`,
      "/etc/passwd:",
      `/${long}:`,
      ".",
    ]
  ) {
    assertEquals(await byUs(home, path, here), byTheLibrary(path, here), `PATH=${path}`);
    assertEquals(await byUs(home, path, there), byTheLibrary(path, there), `PATH=${path}`);
  }
});

Deno.test("without PATH the places of the system are searched", async () => {
  await using home = new KeeperHome();
  const { record } = await home.run({ command: ["true"], environment: {} });
  assertEquals(record?.exit, { code: 0, signal: 0 });
});
