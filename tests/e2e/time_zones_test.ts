/** Local times of `--not-before`, on the compiled binary: the zone is that of date(1), or none. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, IS_ROOT } from "./home.ts";

const CAN_MOUNT = IS_ROOT && (await new Deno.Command("unshare", {
  args: ["--mount", "true"],
  stderr: "null",
}).output()).success;
if (!CAN_MOUNT) console.log("skipped: a mounted /etc/localtime; that takes root and namespaces");

const LOCAL = "2096-07-24 18:00";

/** What date(1) says that it is in UTC. */
function utcOf(local: string, env: Record<string, string>): string {
  const script = 'date -u -d "@$(date -d "$1" +%s)" +%FT%T.000Z';
  const { stdout } = new Deno.Command("sh", { args: ["-c", script, "sh", local], env })
    .outputSync();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("a local time is that of the zone that date(1) goes by, and is said with date and offset", async () => {
  await using home = await Home.start();
  for (
    const [TZ, offset] of [
      ["CET-1CEST,M3.5.0,M10.5.0/3", "+02:00 (CEST)"],
      ["EST5EDT,M3.2.0,M11.1.0", "-04:00 (EDT)"],
      ["<+0530>-5:30", "+05:30"],
      [":/usr/share/zoneinfo/Europe/Berlin", "+02:00 (CEST)"],
      ["America/New_York", "-04:00 (EDT)"],
      ["", "+00:00 (UTC)"],
    ] as const
  ) {
    const env = { TZ };
    const { code, stdout, stderr } = await home.runAs(
      { env },
      ...["submit", "--not-before", LOCAL, "true"],
    );
    assertEquals([code, stderr], [0, `holdfast: ${LOCAL} is ${LOCAL} ${offset}\n`], TZ);
    assertEquals((await home.status(Number(stdout))).spec.notBefore, utcOf(LOCAL, env), TZ);
  }
});

Deno.test("a local time in a zone that nobody knows is refused with the reason, any other is not", async () => {
  await using home = await Home.start();
  const env = { TZ: "Europe/Berlim" };
  const submit = (time: string) => home.runAs({ env }, "submit", "--not-before", time, "true");
  const { code, stdout, stderr } = await submit(LOCAL);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /is in local time, which is unknown: TZ=Europe\/Berlim names no time zone/);
  for (const time of ["2096-07-24T18:00:00Z", "+2d"]) {
    const { code, stderr } = await submit(time);
    assertEquals(code, 0);
    assertMatch(stderr, / \+00:00 \(UTC\)\n$/);
  }
});

Deno.test("an /etc/localtime that is mounted is the zone, and one that is none is refused", {
  ignore: !CAN_MOUNT,
}, async () => {
  await using home = await Home.start();
  const mounted = (path: string) => {
    const script = 'mount --bind "$0" /etc/localtime && exec "$@"';
    const submit = [BINARY, "submit", "--not-before", LOCAL, "true"];
    const { code, stdout, stderr } = new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", script, path, ...submit],
      env: home.environment,
      clearEnv: true,
    }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const { stdout, stderr } = mounted("/usr/share/zoneinfo/Asia/Tokyo");
  assertEquals(stderr, `holdfast: ${LOCAL} is ${LOCAL} +09:00 (JST)\n`);
  const { notBefore } = (await home.status(Number(stdout))).spec;
  assertEquals(notBefore, "2096-07-24T09:00:00.000Z");
  const none = mounted("/etc/passwd");
  assertEquals(none.code, 2);
  assert(none.stderr.includes("/etc/localtime is no whole zone file"), none.stderr);
});
