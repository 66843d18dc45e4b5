import assert from "node:assert/strict";
import { constants } from "node:os";
import { signalName, signalNumber } from "../../src/job/signals.ts";

Deno.test("every signal that the system names is known by that name", () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    assert.equal(signalNumber(name), number, name);
    assert.equal(signalNumber(name.toLowerCase().slice(3)), number, name);
  }
});

Deno.test("what bash lists it understands, and is called so here", () => {
  const script = 'for i in {1..64}; do echo "$(kill -l $i)"; done';
  const { stdout } = new Deno.Command("bash", { args: ["-c", script] }).outputSync();
  const names = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
  assert.equal(names.length, 64);
  names.forEach((name, i) => {
    if (/^\d+$/.test(name) || name === "") return assert.equal(signalName(i + 1), undefined);
    assert.equal(signalNumber(name), i + 1, name);
    assert.equal(signalName(i + 1), `SIG${name}`);
  });
});

Deno.test("every signal has one number, and every name of ours leads back to it", () => {
  for (let number = 1; number <= 64; number++) {
    assert.equal(signalNumber(String(number)), number);
    const name = signalName(number);
    if (name !== undefined) assert.equal(signalNumber(name), number, name);
  }
  const real: [string, number][] = [
    ["RTMIN", 34],
    ["RTMAX", 64],
    ["SIGRTMIN+3", 37],
    ["rtmin+0", 34],
    ["RTMIN+30", 64],
    ["sigrtmax-30", 34],
    ["RTMAX-1", 63],
  ];
  for (const [name, number] of real) assert.equal(signalNumber(name), number, name);
});

Deno.test("what names no signal is none", () => {
  const none = [
    ...["", "0", "65", "-9", "9.0", "SIG", "SIGSIGKILL", "KILL9", "NOSUCH", "toString"],
    ...["RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN3", "RT3", "RTMIN+x"],
  ];
  for (const text of none) assert.equal(signalNumber(text), undefined, text);
  for (const number of [0, 32, 33, 65]) assert.equal(signalName(number), undefined);
});
