import assert from "node:assert/strict";
import { Failure, tell } from "../../src/cli/failure.ts";
import { NoSupervisor, VarlinkError } from "../../src/varlink/client.ts";
import { INTERFACE_DESCRIPTION } from "../../src/varlink/interface.ts";
import { NoPlace } from "../../src/paths.ts";

const REFUSALS: Record<string, number> = {
  NoSuchJob: 3,
  InvalidJob: 2,
  InvalidParameter: 2,
  KeyConflict: 5,
  JobEnded: 5,
  NotRunning: 5,
  QueueFull: 5,
  Draining: 5,
  JournalUnavailable: 5,
  LimitExceeded: 5,
  PermissionDenied: 5,
  MethodNotFound: 1,
};

const PARAMETERS = {
  id: 12,
  field: "cpus",
  message: "is 9",
  limit: 5,
  state: "FAILED",
  what: "connections",
  parameter: "signal",
};

Deno.test("each refusal of the supervisor has its exit code and says what it is about", () => {
  for (const [name, exitCode] of Object.entries(REFUSALS)) {
    const told = tell(new VarlinkError(name, PARAMETERS));
    assert.equal(told.exitCode, exitCode, name);
    assert.ok(!told.message.includes("undefined"), told.message);
    assert.ok(told.message.split("\n").length <= 2, told.message);
  }
});

Deno.test("every error of the interface is told in words", () => {
  // What only a broken client could be answered is told by its name.
  const names = [...INTERFACE_DESCRIPTION.matchAll(/^error (\w+)/gm)].map(([, name]) => name!)
    .filter((name) => name !== "MalformedMessage");
  assert.ok(names.length > 5);
  for (const name of names) {
    assert.ok(name in REFUSALS, `${name} has no exit code here`);
    assert.ok(!tell(new VarlinkError(name, PARAMETERS)).message.includes(name), name);
  }
});

Deno.test("other failures have their exit codes", () => {
  assert.equal(tell(new NoSupervisor("/run/s", "refused")).exitCode, 4);
  assert.match(
    tell(new NoSupervisor("/run/s", "refused")).message,
    /\/run\/s.*\n.*holdfast daemon/,
  );
  assert.equal(tell(new NoPlace("nothing says where")).exitCode, 2);
  assert.equal(tell(new Deno.errors.PermissionDenied("no")).exitCode, 5);
  assert.deepEqual(tell(new Failure("told", 7)).exitCode, 7);
  assert.deepEqual(tell(new Error("odd")), { message: "odd", exitCode: 1 });
  assert.deepEqual(tell("odd"), { message: "odd", exitCode: 1 });
});
