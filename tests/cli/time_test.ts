import fc from "fast-check";
import assert from "node:assert/strict";
import { parseTime, understoodText, type Zone } from "../../src/cli/time.ts";
import { SystemZone } from "../../src/cli/zone.ts";

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
function read(text: string, at = now): string | undefined {
  using zone = new SystemZone();
  return parseTime(text, at, zone)?.time.toISOString();
}

function says(text: string, at = now): string | undefined {
  using zone = new SystemZone();
  return understoodText(parseTime(text, at, zone)!, at, zone);
}

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
        const time = Date.parse(read(`+${number}${unit}`, new Date(eve))!);
        assert.equal(time - eve, number * units[unit]! * 1000);
      }),
    );
  });
});

Deno.test("in the hour that is repeated a clock time is the next one that comes", () => {
  inZone("Europe/Berlin", () => {
    const at = (now: string) => read("2:30", new Date(now));
    assert.equal(at("2026-10-24T23:00:00Z"), "2026-10-25T00:30:00.000Z", "the first");
    assert.equal(at("2026-10-25T00:30:00Z"), "2026-10-25T01:30:00.000Z", "the second");
    assert.equal(at("2026-10-25T01:30:00Z"), "2026-10-26T01:30:00.000Z", "tomorrow's");
    const dated = (now: string) => read("2026-10-25 2:30", new Date(now));
    assert.equal(dated("2026-10-01T00:00:00Z"), "2026-10-25T00:30:00.000Z");
    assert.equal(dated("2026-10-25T00:45:00Z"), "2026-10-25T01:30:00.000Z");
  });
  // Summer time ends at 0:01 there: the day before has its last hour once more.
  inZone("NST3:30NDT2:30,M4.1.0/0:01,M10.5.0/0:01", () => {
    assert.equal(read("23:30", new Date("2026-10-25T02:30:30Z")), "2026-10-25T03:00:00.000Z");
  });
});

Deno.test("in the hour that is left out it is as long after the change", () => {
  inZone("Europe/Berlin", () => {
    const eve = new Date("2027-03-28T00:00:00Z");
    assert.equal(read("2:30", eve), "2027-03-28T01:30:00.000Z");
    assert.equal(read("2027-03-28 02:30", eve), "2027-03-28T01:30:00.000Z");
    assert.equal(read("3:30", eve), "2027-03-28T01:30:00.000Z");
  });
  inZone("Pacific/Apia", () => {
    const eve = new Date("2011-12-30T05:00:00Z");
    assert.equal(read("12:00", eve), "2011-12-30T22:00:00.000Z", "a day was left out");
  });
});

Deno.test("what was understood is said with date and offset where it is not today, or not obvious", () => {
  inZone("Europe/Berlin", () => {
    const evening = new Date("2026-10-24T17:00:00Z");
    assert.equal(says("23:59", evening), undefined);
    assert.equal(says("+5h", evening), "2026-10-25 00:00 +02:00 (CEST)");
    assert.equal(says("0:15:07", evening), "2026-10-25 00:15:07 +02:00 (CEST)");
    assert.equal(says("2026-12-24T18:00:00Z", evening), "2026-12-24 19:00 +01:00 (CET)");
    const night = new Date("2026-10-25T00:45:00Z");
    assert.match(says("2:30", night)!, /^2026-10-25 02:30 \+01:00 \(CET\), the second of the two /);
    const spring = new Date("2027-03-28T00:30:00Z");
    assert.match(
      says("2:30", spring)!,
      /^2027-03-28 03:30 \+02:00 \(CEST\), since the clock skips/,
    );
  });
  inZone("<+0530>-5:30", () => assert.equal(says("17:00"), "2026-11-25 17:00 +05:30"));
});

const HOUR = 3_600_000;
const anyZone: fc.Arbitrary<Zone> = fc.record({
  first: fc.integer({ min: -96, max: 96 }),
  changes: fc.array(
    fc.record({
      days: fc.integer({ min: 3, max: 300 }),
      quarters: fc.integer({ min: -8, max: 8 }),
    }),
    { maxLength: 5 },
  ),
}).map(({ first, changes }) => ({
  at(ms) {
    let from = Date.parse("2026-01-01T00:00:00Z"), quarters = first;
    for (const change of changes) {
      from += change.days * 24 * HOUR + 15 * 60_000;
      if (ms >= from) quarters = Math.max(-96, Math.min(96, quarters + change.quarters));
    }
    return { offsetMs: quarters * HOUR / 4, name: "" };
  },
}));
const anyTime = fc.date({
  min: new Date("2026-01-10T00:00:00Z"),
  max: new Date("2029-01-01T00:00:00Z"),
  noInvalidDate: true,
});

Deno.test("in any zone a local time is an instant at which the clock shows it, the next if there are two", () => {
  fc.assert(fc.property(anyZone, anyTime, anyTime, (zone, date, now) => {
    const local = new Date(date.getTime() + zone.at(date.getTime()).offsetMs);
    const text = local.toISOString().slice(0, -1);
    const { time, change } = parseTime(text, now, zone)!;
    assert.equal(time.getTime() + zone.at(time.getTime()).offsetMs, local.getTime());
    assert.ok(change !== "skipped");
    if (date > now) assert.ok(time > now && time <= date, "none that comes sooner is passed by");
  }));
});

Deno.test("in any zone a clock time is to come, within the time of two days", () => {
  fc.assert(fc.property(anyZone, anyTime, fc.nat(24 * 60 - 1), (zone, now, minute) => {
    const [h, m] = [Math.floor(minute / 60), minute % 60];
    const text = `${h}:${String(m).padStart(2, "0")}`;
    const { time, change } = parseTime(text, now, zone)!;
    assert.ok(time > now && time.getTime() - now.getTime() <= 50 * HOUR);
    const shown = new Date(time.getTime() + zone.at(time.getTime()).offsetMs).toISOString();
    if (change !== "skipped") {
      assert.equal(Number(shown.slice(11, 13)) * 60 + Number(shown.slice(14, 16)), minute);
    }
  }));
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
  ) assert.equal(read(text), undefined, text);
});
