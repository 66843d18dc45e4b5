/** The zone of this process, against date(1), which asks the same C library. */

import assert from "node:assert/strict";
import { NoZone, SystemZone, troubleWith } from "../../src/cli/zone.ts";

const ZONES = "/usr/share/zoneinfo";
const KNOWN = [
  "",
  ":",
  "UTC",
  "UTC0",
  "CET-1CEST",
  "CET-1CEST,M3.5.0,M10.5.0/3",
  "EST5EDT,M3.2.0,M11.1.0",
  "<+0530>-5:30",
  "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
  "ABC-24",
  "NZST-12:00:00NZDT-13:00:00,M10.1.0,M3.3.0",
  "WGT3WGST,J59/0,J300/24:00",
  "Europe/Berlin",
  ":Asia/Kolkata",
  `${ZONES}/America/St_Johns`,
  `:${ZONES}/Pacific/Apia`,
];
const UNKNOWN = [
  "Europe/Berlim",
  "Europe",
  ":/nowhere",
  "/etc/passwd",
  "/dev/null",
  "Nonsense",
  "CET-1CEST,M3.5",
  "AB5",
  "ABC-25",
  "ABC-1:60",
  "5",
];

function inZone<T>(tz: string, body: () => T): T {
  const before = Deno.env.get("TZ");
  Deno.env.set("TZ", tz);
  try {
    return body();
  } finally {
    if (before === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", before);
  }
}

function dateSays(tz: string | undefined, seconds: number): string {
  const { stdout } = new Deno.Command("date", {
    args: ["-d", `@${seconds}`, "+%z"],
    env: tz === undefined ? {} : { TZ: tz },
    clearEnv: true,
  }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

function weSay(seconds: number): string {
  using zone = new SystemZone();
  const minutes = Math.trunc(zone.at(seconds * 1000).offsetMs / 60_000);
  const [h, m] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return (minutes < 0 ? "-" : "+") + [h, m].map((n) => String(n).padStart(2, "0")).join("");
}

Deno.test("every way to name a zone is understood as date(1) does, in summer and in winter", () => {
  for (const tz of KNOWN) {
    for (
      const at of [
        "1975-07-01",
        "2011-12-31",
        "2026-01-15",
        "2026-07-15",
        "2026-10-28",
        "2096-07-01",
      ]
    ) {
      const seconds = Date.parse(`${at}T12:00:00Z`) / 1000;
      assert.equal(inZone(tz, () => weSay(seconds)), dateSays(tz, seconds), `${tz} ${at}`);
    }
  }
  if (Deno.env.get("TZ") === undefined) assert.equal(weSay(1.8e9), dateSays(undefined, 1.8e9));
});

Deno.test("every zone that the system has is taken for a whole one", () => {
  for (const { name, isFile } of Deno.readDirSync(`${ZONES}/America`)) {
    if (isFile) assert.equal(troubleWith(`America/${name}`, ZONES), undefined, name);
  }
});

Deno.test("a zone that the C library would take for UTC in silence is refused with the reason", () => {
  for (const tz of UNKNOWN) {
    assert.throws(
      () => inZone(tz, () => weSay(0)),
      (error) => error instanceof NoZone && error.message.startsWith(`TZ=${tz} names no time zone`),
      tz,
    );
  }
});

Deno.test("a zone file that is cut short is refused, wherever it is cut", () => {
  const directory = Deno.makeTempDirSync({ prefix: "holdfast-test-" });
  try {
    const whole = Deno.readFileSync(`${ZONES}/Europe/Berlin`);
    for (const length of [0, 3, 43, 44, 200, Math.floor(whole.length / 2)]) {
      Deno.writeFileSync(`${directory}/cut`, whole.subarray(0, length));
      assert.match(troubleWith(`${directory}/cut`, ZONES)!, /no whole zone file/, `${length}`);
    }
    Deno.symlinkSync("nowhere", `${directory}/link`);
    assert.match(troubleWith("link", directory)!, /No such file/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a zone that counts leap seconds is refused: no clock here does", () => {
  const directory = Deno.makeTempDirSync();
  try {
    // A header with one leap second and one type, and its block, as version 1 has it.
    const file = new Uint8Array(44 + 8 + 6 + 1);
    file.set([0x54, 0x5a, 0x69, 0x66]);
    const view = new DataView(file.buffer);
    [0, 0, 1, 0, 1, 1].forEach((count, i) => view.setUint32(20 + 4 * i, count));
    Deno.writeFileSync(`${directory}/right`, file);
    assert.match(troubleWith(`${directory}/right`, ZONES)!, /leap seconds/);
    view.setUint32(20 + 4 * 2, 0);
    Deno.writeFileSync(`${directory}/left`, file.subarray(0, 44 + 6 + 1));
    assert.equal(troubleWith(`${directory}/left`, ZONES), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
