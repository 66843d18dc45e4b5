/** What the command line looks at before it hands a job over: its program, interpreter and directory. */

import { assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, IS_ROOT, type Output } from "./home.ts";

function script(home: Home, name: string, text: string): string {
  const file = `${home.directory}/${name}`;
  Deno.writeTextFileSync(file, text);
  Deno.chmodSync(file, 0o755);
  return file;
}

Deno.test("submit, run and resubmit refuse what could not start, say why, and hand nothing over", async () => {
  await using home = await Home.start();
  const { directory } = home;
  const good = script(home, "good", "#!/bin/sh\n");
  const wrong = script(home, "wrong", "#!/usr/bin/pyhton\n");
  const cases: [string[], string][] = [
    [["no-such-command"], "command no-such-command is not found in PATH ("],
    [["/etc/passwd"], "command /etc/passwd is not executable"],
    [["/etc"], "command /etc is a directory"],
    [[wrong], `command ${wrong}: its interpreter /usr/bin/pyhton does not exist`],
    [["--directory", "/no/such", "true"], "directory /no/such does not exist"],
    [["--directory", directory, "./nope"], `command ./nope does not exist (in ${directory})`],
    [["--env", `PATH=${directory}`, "true"], `command true is not found in PATH (${directory})`],
  ];
  for (const [words, message] of cases) {
    for (const [verb, code] of [["submit", 2], ["run", 125]] as const) {
      const refused = await home.run(verb, ...words);
      assertEquals([refused.code, refused.stdout], [code, ""], `${verb} ${words}`);
      assertEquals(
        refused.stderr.slice(0, 23 + message.length),
        `holdfast: invalid job: ${message}`,
      );
    }
  }
  assertEquals((await home.run("submit", "--env", `PATH=${directory}`, "good")).stdout, "1\n");
  await home.wait(1);
  Deno.removeSync(good);
  const again = await home.run("resubmit", "1");
  assertEquals([again.code, again.stdout], [2, ""]);
  assertMatch(again.stderr, /^holdfast: invalid job: command good is not found in PATH/);
  assertEquals((await home.use((client) => client.call("List", {}))).jobs.length, 1);
});

Deno.test("what the jobs before it will make is not looked for", async () => {
  await using home = await Home.start();
  const id = await home.submit("printf '#!/bin/sh\\nexit 7\\n' > made; chmod +x made");
  const { stdout } = await home.run("submit", "--after", `${id}`, `${home.directory}/made`);
  assertEquals((await home.wait(Number(stdout))).exitCode, "7:0");
  Deno.removeSync(`${home.directory}/made`);
  assertEquals((await home.run("resubmit", stdout.trim())).code, 0);
});

Deno.test("a request with a key is answered with its job whatever has become of its program", async () => {
  await using home = await Home.start();
  const once = script(home, "once", "#!/bin/sh\n");
  const submit = (key: string) => home.run("submit", "--key", key, once);
  assertEquals((await submit("a")).stdout, "1\n");
  await home.wait(1);
  Deno.removeSync(once);
  assertEquals((await submit("a")).stdout, "1\n");
  assertEquals((await submit("b")).code, 2);
});

Deno.test({
  name: "a client that sees other files than the supervisor refuses nothing",
  ignore: !IS_ROOT,
  async fn() {
    await using home = await Home.start();
    const place = `${home.directory}/place`;
    Deno.mkdirSync(place);
    const tool = script(home, "place/tool", "#!/bin/sh\nexit 7\n");
    const hidden = 'mount -t tmpfs none "$1" && shift && exec "$@"';
    const words = ["sh", "-c", hidden, "sh", place, BINARY, "run", "--directory", place, tool];
    assertEquals((await execute(home, "unshare", ["--mount", ...words])).code, 7);
  },
});

async function execute(home: Home, program: string, args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: home.environment,
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
