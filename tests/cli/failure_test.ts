import assert from "node:assert/strict";
import { askToEnd } from "../../src/cli/cancel.ts";
import { Failure, tell } from "../../src/cli/failure.ts";
import { type Client, NoSupervisor, VarlinkError } from "../../src/varlink/client.ts";
import INTERFACE_DESCRIPTION from "../../src/varlink/io.holdfast.varlink" with { type: "text" };
import { NoPlace } from "../../src/paths.ts";

const REFUSALS: Record<string, number> = {
  NoSuchJob: 3,
  InvalidJob: 2,
  InvalidParameter: 2,
  KeyConflict: 5,
  JobEnded: 5,
  NotRunning: 5,
  NotQueued: 5,
  LogLost: 1,
  NoSuchPool: 3,
  PoolInUse: 5,
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
  name: "gpu",
  jobs: 4,
  paths: ["/runs/12/stdout.log"],
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

Deno.test("a refusal says what to do about it", () => {
  const message = (name: string, parameters: Record<string, unknown>) =>
    tell(new VarlinkError(name, parameters)).message;
  assert.match(
    message("KeyConflict", { id: 24, field: "directory" }),
    /^job 24 has this key, with another directory; holdfast status 24/,
  );
  assert.match(message("KeyConflict", { id: 24, field: "cpus" }), /another number of CPUs;/);
  assert.match(message("KeyConflict", { id: 24 }), /another specification;/);
  assert.match(
    message("LimitExceeded", { what: "message bytes", limit: 1048576 }),
    /--clean-env .*max_message/,
  );
  assert.ok(!message("LimitExceeded", { what: "connections", limit: 5 }).includes("max_message"));
  assert.match(message("Draining", {}), /draining \(holdfast resume .*or ending/);
});

Deno.test("a cancel that the journal refuses names the way that needs no journal", async () => {
  const answering = (error: Error) => ({ call: () => Promise.reject(error) }) as unknown as Client;
  const refused = new VarlinkError("JournalUnavailable", { message: "disk full" });
  await assert.rejects(askToEnd(answering(refused), { id: 12 }), (error: Failure) => {
    assert.match(error.message, /disk full.*\n.*holdfast signal 12 KILL/);
    return error.exitCode === 5;
  });
  const unknown = new VarlinkError("NoSuchJob", { id: 12 });
  await assert.rejects(askToEnd(answering(unknown), { id: 12 }), unknown);
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
