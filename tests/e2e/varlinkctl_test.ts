/**
 * The control protocol as systemd's own varlinkctl speaks it, the strictest reader there is.
 * $HOLDFAST_VARLINKCTL is the command, see varlinkctl/setup.sh; without it these tests are ignored.
 */

import { existsSync } from "node:fs";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { BINARY, Home, until } from "./home.ts";
import type { Event, Job, NodeStatus } from "../../src/varlink/interface.ts";

const VARLINKCTL = Deno.env.get("HOLDFAST_VARLINKCTL");
const SERVICE = "org.varlink.service";

if (!VARLINKCTL) {
  console.log(
    "ignored: set HOLDFAST_VARLINKCTL to the command that tests/e2e/varlinkctl/setup.sh prints",
  );
}

interface Answer {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

async function varlinkctl(args: string[], input = ""): Promise<Answer> {
  const child = new Deno.Command(VARLINKCTL!, {
    args: ["--no-pager", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, stdout: text(stdout), stderr: text(stderr) };
}

function method(name: string): string {
  return name.includes(".") ? name : `io.holdfast.${name}`;
}

/** The replies to a call that succeeds without a word of complaint. */
async function replies(home: Home, name: string, parameters = {}, ...options: string[]) {
  const words = ["call", "--json=short", ...options, home.socket, method(name)];
  const { success, stdout, stderr } = await varlinkctl([...words, JSON.stringify(parameters)]);
  assert(success, `${name}: ${stderr}`);
  assertEquals(stderr, "");
  return messages(stdout);
}

/** One a line; with --more each begins with a record separator (RFC 7464). */
function messages(output: string) {
  return output.split("\n").slice(0, -1).map((line) => JSON.parse(line.replace("\x1e", "")));
}

async function call<T>(home: Home, name: string, parameters = {}, ...options: string[]) {
  const all = await replies(home, name, parameters, ...options);
  assertEquals(all.length, 1);
  return all[0] as T;
}

/** The error that a call ends with, and its parameters. */
async function refusal(home: Home, name: string, parameters: object, ...options: string[]) {
  const words = ["call", "--json=short", ...options, home.socket, method(name)];
  const { success, stdout, stderr } = await varlinkctl([...words, JSON.stringify(parameters)]);
  assert(!success, `${name} succeeded: ${stdout}`);
  const error = /^Method call (?:\S+\(\) )?failed: (\S+)\n$/.exec(stderr)?.[1] ?? stderr;
  return { error, parameters: messages(stdout)[0] };
}

async function submit(home: Home, script: string): Promise<number> {
  const { directory, environment } = home;
  const spec = { command: ["sh", "-c", script], directory, environment };
  return (await call<{ job: Job }>(home, "Submit", { spec })).job.id;
}

async function ended(home: Home, id: number): Promise<Job> {
  const { job } = await call<{ job: Job }>(home, "Wait", { id, timeout: 20 });
  assert(job.endedAt, `job ${id} has not ended: ${JSON.stringify(job)}`);
  return job;
}

function test(name: string, body: (home: Home) => Promise<void>): void {
  Deno.test(`varlinkctl ${name}`, { ignore: !VARLINKCTL }, async () => {
    await using home = await Home.start();
    await body(home);
  });
}

test("tells the service and its interfaces", async (home) => {
  const { stdout, stderr } = await varlinkctl(["info", "--json=short", home.socket]);
  assertEquals(stderr, "");
  const { product, version, interfaces } = JSON.parse(stdout);
  assertEquals(product, "Holdfast");
  const { stdout: own } = await new Deno.Command(BINARY, { args: ["--version"] }).output();
  assertMatch(new TextDecoder().decode(own), new RegExp(`^holdfast ${version}\\b`));
  assertEquals(interfaces, [SERVICE, "io.holdfast"]);
  const list = await varlinkctl(["list-interfaces", home.socket]);
  assertEquals(list, { success: true, stdout: `io.holdfast\n${SERVICE}\n`, stderr: "" });
});

test("validates the interfaces", async (home) => {
  for (const name of ["io.holdfast", SERVICE]) {
    const introspected = await varlinkctl(["introspect", home.socket, name]);
    assert(introspected.success, introspected.stderr);
    assertEquals(introspected.stderr, "");
    assertMatch(introspected.stdout, new RegExp(`^interface ${name}$`, "m"));
    const { description } = await call<{ description: string }>(
      home,
      `${SERVICE}.GetInterfaceDescription`,
      { interface: name },
    );
    // As the service wrote it, and as varlinkctl understood it.
    for (const text of [description, introspected.stdout]) {
      const { success, stderr } = await varlinkctl(["validate-idl"], text);
      assert(success, `${name}: ${stderr}`);
    }
  }
});

test("lists the methods that answer", async (home) => {
  const { stdout } = await varlinkctl(["list-methods", home.socket, "io.holdfast"]);
  const methods = stdout.split("\n").slice(0, -1);
  assertEquals(methods.length, 19);
  for (const name of methods) {
    const words = ["call", "--json=short", home.socket, name, '{"surplus":1}'];
    const { stderr } = await varlinkctl(words);
    assertMatch(stderr, /: org\.varlink\.service\.InvalidParameter\n$/, name);
  }
});

test("submits a job and waits for its end", async (home) => {
  const spec = { command: ["sh", "-c", "exit 3"], name: "three", key: "k", environment: {} };
  const { job, created } = await call<{ job: Job; created: boolean }>(home, "Submit", { spec });
  assert(created);
  assertEquals(job.spec.name, "three");
  const again = await call<{ job: Job; created: boolean }>(home, "Submit", { spec });
  assertEquals([again.job.id, again.created], [job.id, false]);

  const end = await ended(home, job.id);
  assertEquals([end.state, end.reason, end.exitCode], ["FAILED", "exit", "3:0"]);
  assertEquals((await call<{ job: Job }>(home, "Status", { id: job.id })).job, end);
  const { events } = await call<{ events: Event[] }>(home, "History", { id: job.id });
  assertEquals(events.map(({ state }) => state), ["QUEUED", "STARTING", "RUNNING", "FAILED"]);
});

test("submits without waiting for a reply", async (home) => {
  const spec = { command: ["true"] };
  assertEquals(await replies(home, "Submit", { spec }, "--oneway"), []);
  assertEquals((await ended(home, 1)).state, "COMPLETED");
});

test("lists page by page and by state", async (home) => {
  const ids = [];
  for (const script of ["exit 0", "exit 1", "exit 0"]) ids.push(await submit(home, script));
  for (const id of ids) await ended(home, id);
  type Page = { jobs: Job[]; next?: number };
  const first = await call<Page>(home, "List", { limit: 2 });
  const rest = await call<Page>(home, "List", { limit: 2, after: first.next });
  assertEquals([...first.jobs, ...rest.jobs].map(({ id }) => id), ids);
  assert(!("next" in rest), "the last page has none to follow");
  const failed = await call<Page>(home, "List", { states: ["FAILED"] });
  assertEquals(failed.jobs.map(({ id }) => id), [ids[1]]);
});

test("signals, cancels and resubmits", async (home) => {
  const script = "trap 'echo heard >>said' USR1; echo ready >said; while :; do sleep 0.1; done";
  const id = await submit(home, script);
  await until("it is ready", () => home.lines("said").includes("ready"));
  await call(home, "Signal", { id, signal: "USR1" });
  await until("it has heard", () => home.lines("said").includes("heard"));
  await call(home, "Cancel", { id });
  const end = await ended(home, id);
  assertEquals([end.state, end.reason, end.released], ["CANCELLED", "cancelled", true]);

  const { job } = await call<{ job: Job }>(home, "Resubmit", { id });
  assertEquals([job.id, job.spec], [id + 1, end.spec]);
  await call(home, "Cancel", { id: job.id });
  assertEquals((await ended(home, job.id)).state, "CANCELLED");
});

test("drains, resumes and prunes", async (home) => {
  const { node } = await call<{ node: NodeStatus }>(home, "Node");
  assertEquals([node.pid, node.cpus, node.draining], [home.pid, 8, false]);
  assertEquals((await call<{ node: NodeStatus }>(home, "Drain")).node.draining, true);
  const spec = { command: ["true"] };
  assertEquals(await refusal(home, "Submit", { spec }), {
    error: "io.holdfast.Draining",
    parameters: {},
  });
  assertEquals((await call<{ node: NodeStatus }>(home, "Resume")).node.draining, false);
  await ended(home, await submit(home, "true"));
  assertEquals(await call(home, "Prune", { olderThan: 0 }), { removed: 1 });
});

test("follows a log to its end", async (home) => {
  const id = await submit(home, "echo one; echo two >&2; sleep 0.5; printf three");
  const chunks = await replies(home, "Logs", { id, follow: true }, "--more");
  assertEquals(chunks.pop(), {});
  const written = (stream: string) =>
    chunks.filter((chunk) => chunk.stream === stream).map(({ data }) => atob(data)).join("");
  assertEquals([written("stdout"), written("stderr")], ["one\nthree", "two\n"]);
});

test("watches events, those before and those to come", async (home) => {
  const output = `${home.directory}/events`;
  const script = 'output=$1; shift; exec "$@" >"$output" 2>&1';
  const call = ["call", "--json=short", "-E", home.socket, method("Watch"), '{"since":0}'];
  const before = await submit(home, "true");
  await ended(home, before);
  // -E: it gives up after 45 s otherwise, whatever it is told meanwhile.
  await using _watcher = new Deno.Command("sh", {
    args: ["-c", script, "sh", output, VARLINKCTL!, ...call],
    env: home.environment,
  }).spawn();
  const events = (id: number) =>
    messages(Deno.readTextFileSync(output)).filter(({ event }) => event?.id === id)
      .map(({ event }) => (event as Event).state);
  await until("it watches", () => existsSync(output) && events(before).length === 4);
  const id = await submit(home, "exit 4");
  await until("it tells the end", () => events(id).length === 4);
  assertEquals(events(before), ["QUEUED", "STARTING", "RUNNING", "COMPLETED"]);
  assertEquals(events(id), ["QUEUED", "STARTING", "RUNNING", "FAILED"]);
});

test("is told what was wrong", async (home) => {
  const id = await submit(home, "true");
  await ended(home, id);
  const service = (name: string, parameters: object) => ({
    error: `${SERVICE}.${name}`,
    parameters,
  });
  const own = (name: string, parameters: object) => ({ error: `io.holdfast.${name}`, parameters });
  const unknown = own("NoSuchJob", { id: 99 });
  for (const name of ["Status", "Cancel", "Wait", "Resubmit", "History"]) {
    assertEquals(await refusal(home, name, { id: 99 }), unknown, name);
  }
  for (const name of ["Logs", "Watch"]) {
    assertEquals(await refusal(home, name, { id: 99 }, "--more"), unknown, name);
    assertEquals(await refusal(home, name, { id }), service("ExpectedMore", {}), name);
  }
  const ending = own("JobEnded", { id, state: "COMPLETED" });
  assertEquals(await refusal(home, "Signal", { id, signal: "TERM" }), ending);
  const { error, parameters } = await refusal(home, "Submit", { spec: { command: [] } });
  assertEquals([error, parameters.field], ["io.holdfast.InvalidJob", "command"]);
  const mistyped = service("InvalidParameter", { parameter: "id" });
  assertEquals(await refusal(home, "Status", { id: "1" }), mistyped);
  assertEquals(await refusal(home, "Status", {}), mistyped);
  const lost = service("MethodNotFound", { method: "io.holdfast.Nope" });
  assertEquals(await refusal(home, "Nope", {}), lost);
  const elsewhere = service("InterfaceNotFound", { interface: "io.other" });
  assertEquals(await refusal(home, "io.other.Nope", {}), elsewhere);
});
