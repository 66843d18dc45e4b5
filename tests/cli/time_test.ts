import fc from "fast-check";
import assert from "node:assert/strict";
import { parseTime } from "../../src/cli/time.ts";

/** Runs `body` where clocks show the time of `zone`. */
function inZone(zone: string, body: () => void): void {
  const before = Deno.env.get("TZ");
  Deno.env.set("TZ", zone);
  try {
    body();
  } finally {
    if (before === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", before);
  }
}

const now = new Date("2026-11-24T12:00:00Z");
const read = (text: string, at = now) => parseTime(text, at)?.toISOString();

Deno.test("a time with a zone is that instant wherever it is typed", () => {
  for (const zone of ["UTC", "America/New_York", "Asia/Kolkata"]) {
    inZone(zone, () => {
      assert.equal(read("2026-11-24T18:00:00Z"), "2026-11-24T18:00:00.000Z");
      assert.equal(read("2026-11-24t18:00:00.250z"), "2026-11-24T18:00:00.250Z");
      assert.equal(read("2026-11-24 18:00+05:30"), "2026-11-24T12:30:00.000Z");
    });
  }
});

Deno.test("a time without a zone is local", () => {
  inZone("America/New_York", () => {
    assert.equal(read("2026-11-24 18:00"), "2026-11-24T23:00:00.000Z");
    assert.equal(read("2026-07-24T18:00:30"), "2026-07-24T22:00:30.000Z");
  });
});

Deno.test("a clock time is the next one, also when the clocks change in between", () => {
  inZone("Europe/Berlin", () => {
    assert.equal(read("18:00"), "2026-11-24T17:00:00.000Z");
    assert.equal(read("6:30"), "2026-11-25T05:30:00.000Z");
    assert.equal(read("13:00"), "2026-11-25T12:00:00.000Z", "now is not the next");
    const eve = new Date("2026-10-24T17:00:00Z");
    assert.equal(read("18:00", eve), "2026-10-25T17:00:00.000Z", "a day of 25 hours");
    assert.equal(read("18:00", new Date("2026-12-31T20:00:00Z")), "2027-01-01T17:00:00.000Z");
  });
});

Deno.test("a duration from now is so many seconds, whatever the clocks do", () => {
  inZone("Europe/Berlin", () => {
    const eve = Date.parse("2026-10-24T17:00:00Z");
    const units: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
    fc.assert(
      fc.property(fc.nat(3650), fc.constantFrom(...Object.keys(units)), (number, unit) => {
        const time = parseTime(`+${number}${unit}`, new Date(eve));
        assert.equal(time!.getTime() - eve, number * units[unit]! * 1000);
      }),
    );
  });
});

Deno.test("a local time is read back as it is written", () => {
  const two = (number: number) => String(number).padStart(2, "0");
  const min = new Date("1971-01-01T00:00:00Z"), max = new Date("9998-01-01T00:00:00Z");
  fc.assert(
    fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
      date.setMilliseconds(0);
      const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
      const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
      assert.equal(parseTime(`${day} ${clock}`, now)?.getTime(), date.getTime());
      assert.equal(parseTime(date.toISOString(), now)?.getTime(), date.getTime());
    }),
  );
});

Deno.test("what is no time is none", () => {
  for (
    const text of [
      "",
      "soon",
      "24:00",
      "18:60",
      "18",
      "18:00Z",
      "2026-11-24",
      "2026-02-29 10:00",
      "2026-13-01 10:00",
      "2026-00-10T10:00:00Z",
      "2026-11-31T10:00:00Z",
      "2026-11-24T10:00:60Z",
      "2026-11-24T10:00:00+99:00",
      "0026-11-24 10:00",
      "+",
      "+5w",
      "+-5m",
      "+4000d",
      "90m",
      "tomorrow 6:00",
    ]
  ) assert.equal(parseTime(text, now), undefined, text);
});
