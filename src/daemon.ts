/**
 * The composition root: puts the real parts together, recovers, listens, and ends as it is told.
 * The order at start is the contract: lock, journal, recovery, socket, READY=1, first start of a job.
 */

import { userInfo } from "node:os";
import { dirname } from "node:path";
import { prepare, remaker } from "./directories.ts";
import { untilEnd } from "./ending.ts";
import { jobProcesses } from "./host/carriers.ts";
import { takeLock } from "./host/lock.ts";
import { notify, watchdogMs } from "./host/notify.ts";
import { releaseProgramPages } from "./host/program_pages.ts";
import { OWN_PATH, ownExecution, replaceSelf } from "./host/replace.ts";
import { setSoftFileLimit } from "./host/resource_limits.ts";
import { takeShortSlices } from "./host/scheduling.ts";
import { ignoreAsAtStart, prepareSignals } from "./host/signals.ts";
import { SocketClaim } from "./host/socket_claim.ts";
import { giveMemoryBack } from "./host/spare_memory.ts";
import { tryProgram } from "./host/trial.ts";
import { makeParts } from "./node_parts.ts";
import { catchUp } from "./recover/older_journal.ts";
import type { Flags } from "./settings.ts";
import { type StartSettings, startSettings } from "./start_settings.ts";
import { Rest } from "./supervisor/rest.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { Upkeep } from "./supervisor/upkeep.ts";
import type { NotReplaced } from "./varlink/interface.ts";
import { onUncaught } from "./uncaught.ts";
import { HoldfastService } from "./varlink/service.ts";
import { Server } from "./varlink/server.ts";
import { SocketKeeper } from "./varlink/socket_keeper.ts";
import { Streams } from "./varlink/streams.ts";
import { time } from "./varlink/wire.ts";
import { version } from "./version.ts";

/** The flag with which a successor is asked whether it could start here. */
const CHECK = "--check";

/** How long the end waits for whoever reads the log. */
const LAST_WORDS_MS = 1000;

/** Runs the supervisor until it is told to end. Throws, for people, what keeps it from starting. */
export async function runDaemon(flags: Flags): Promise<void> {
  prepareSignals();
  const settings = startSettings(flags);
  // What was relative has been resolved: the directory of our start is not kept from being unmounted.
  Deno.chdir("/");
  try {
    await supervise(settings, flags.burst === true);
  } finally {
    await settings.outlet.flush(LAST_WORDS_MS);
  }
}

async function supervise(
  { config, where, log, outlet }: StartSettings,
  isBurst: boolean,
): Promise<void> {
  const began = Date.now();
  // What is true is on disk, and looked at again: jobs are better off than with nobody there.
  onUncaught((error) => log.error("failed", { what: String(error) }));
  const isInit = Deno.pid === 1;
  prepare(where);
  const { state, socket } = where;
  takeLock(`${state}/lock`);
  const claim = new SocketClaim(socket);
  claim.take();
  const nodeName = config.node_name ?? Deno.hostname();
  const node = makeParts({ config, state, nodeName, isInit, log });
  const { parts, ground, limits, logs, reactor } = node;
  const { capacity, cgroups, clock, journal, processes } = parts;
  const unknownRuns = catchUp({
    ...parts,
    ground: processes.ground,
    jobProcesses: (known) => jobProcesses(state, known),
  });
  const supervisor = new Supervisor(parts);
  Deno.addSignalListener("SIGCHLD", () => supervisor.childrenEnded());

  const changes = {
    ...parts,
    supervisor,
    limits,
    maxQueued: config.max_queued,
    user: userName(),
    retentionMs: config.retention * 1000,
  };
  const upkeep = new Upkeep({
    ...parts,
    supervisor,
    changes,
    alertAbove: config.alert_above,
    unknownRuns,
  });
  const recovery = upkeep.start();

  const about = {
    name: nodeName,
    version,
    pid: Deno.pid,
    startedAt: time(began),
    cpus: capacity.cpus,
    memory: capacity.memory,
    cgroup: ground.directory,
    controllers: ground.directory === undefined ? undefined : ground.controllers,
    cgroupProblem: ground.problem,
  };
  let notReplaced: NotReplaced | undefined;
  const service = new HoldfastService({
    ...changes,
    streams: new Streams(journal, logs, (subscriber) => supervisor.subscribe(subscriber)),
    uid: Deno.uid() ?? 0,
    node: () => ({ ...about, ...supervisor.status, notReplaced, recovery }),
    health: () => upkeep.health(),
  });
  const server = new Server(reactor, service, {
    message: config.max_message,
    connections: config.max_connections,
    calls: config.max_calls,
    unread: config.max_unread,
  }, log);
  server.listen(socket);
  const directory = dirname(socket);
  const makeDirectory = remaker(where);
  const keeper = new SocketKeeper({ reactor, server, claim, directory, makeDirectory, log });
  log.info("listening", {
    socket,
    pid: Deno.pid,
    version,
    cpus: capacity.cpus,
    memory: capacity.memory,
  });
  const tell = (message: string) =>
    notify(message, (to, why) => log.warn("cannot notify", { message, socket: to, why }));
  tell("READY=1");
  const watchdog = watchdogMs();
  const signsOfLife = watchdog && setInterval(() => tell("WATCHDOG=1"), watchdog / 2);
  supervisor.begin();

  const rest = new Rest(clock, giveMemoryBack);
  supervisor.subscribe((events) => rest.note(events.length));
  const regularCheck = setInterval(() => {
    // Of threads that have come since.
    takeShortSlices();
    upkeep.check();
    releaseProgramPages();
    keeper.look();
  }, config.check_interval * 1000);
  void reactor.run();
  keeper.look();
  // Once the thread that waits for descriptors is there.
  setTimeout(() => {
    takeShortSlices();
    releaseProgramPages();
  });
  const ended = untilEnd(supervisor, {
    isBurst,
    terminates: isInit || config.on_stop === "terminate",
    log,
    trySuccessor: () => tryProgram(OWN_PATH, ownExecution(), CHECK, processes),
    notReplaced: (message) => {
      log.error("not replaced", { by: OWN_PATH, why: message, doing: "carrying on" });
      notReplaced = { at: time(clock.wallMs()), message };
    },
  });
  // Everybody who listens to signals does by now.
  ignoreAsAtStart();
  const ending = await ended;
  clearInterval(regularCheck);
  clearInterval(signsOfLife);
  supervisor.handOver();
  keeper.stop();
  if (ending === "handOver") server.removeSocket();
  server.close();
  if (ending === "replace") {
    log.info("replacing", { by: OWN_PATH });
    await outlet.flush(LAST_WORDS_MS);
    setSoftFileLimit(node.softFileLimit);
    replaceSelf();
  }
  tell("STOPPING=1");
  upkeep.leave();
  cgroups.leave();
  journal.close();
  log.info("ended", {});
  reactor.stop();
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(Deno.uid());
  }
}
