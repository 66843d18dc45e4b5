/**
 * The composition root: puts the real parts together, recovers, listens, and ends as it is told.
 * The order at start is the contract: lock, journal, recovery, socket, READY=1, first start of a job.
 */

import { userInfo } from "node:os";
import { type Config, ConfigError } from "./config.ts";
import { check, type Places, places, prepare, refuseForeignState } from "./directories.ts";
import { untilEnd } from "./ending.ts";
import { availableCpus, availableMemory, cpuIds } from "./host/capacity.ts";
import { jobProcesses } from "./host/carriers.ts";
import { checkCgroups, findCgroups, NoSuchCgroup } from "./host/cgroup_ground.ts";
import { HostCgroups } from "./host/cgroups.ts";
import { hostClock } from "./host/clock.ts";
import { SystemError } from "./host/libc.ts";
import { Locked, takeLock } from "./host/lock.ts";
import { HostLogFiles } from "./host/log_files.ts";
import { findNice, type Nice } from "./host/nice.ts";
import { notify } from "./host/notify.ts";
import { cannotRun } from "./host/lookup.ts";
import { becomeSubreaper, HostProcesses } from "./host/processes.ts";
import { Reactor } from "./host/reactor.ts";
import { OWN_PATH, ownExecution, replaceSelf } from "./host/replace.ts";
import { raiseFileLimit, setSoftFileLimit } from "./host/resource_limits.ts";
import { RunFiles } from "./host/run_files.ts";
import { openSessionProgram } from "./host/session_program.ts";
import { findSetsid } from "./host/setsid.ts";
import { shimScript } from "./host/shim_script.ts";
import { Spawner } from "./host/spawn.ts";
import { claimSocket, SocketTaken } from "./host/socket_claim.ts";
import { tryProgram } from "./host/trial.ts";
import type { Log } from "./job/log.ts";
import { NO_PROCESS_LIMIT, type NodeLimits } from "./job/node_limits.ts";
import { openLog } from "./log_output.ts";
import { NoPlace } from "./paths.ts";
import { catchUp, tracesOf } from "./recover/older_journal.ts";
import { countFates, makePlan, type PlanItem } from "./recover/plan.ts";
import { Survey } from "./recover/survey.ts";
import { JournalFile, JournalRefused } from "./store/database.ts";
import { Journal, JournalUnavailable } from "./store/journal.ts";
import { type Flags, readConfig } from "./settings.ts";
import { LogBounds } from "./supervisor/log_bounds.ts";
import { Requests } from "./supervisor/requests.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { Upkeep } from "./supervisor/upkeep.ts";
import type { NotReplaced } from "./varlink/interface.ts";
import { HoldfastService } from "./varlink/service.ts";
import { Server } from "./varlink/server.ts";
import { Streams } from "./varlink/streams.ts";
import { time } from "./varlink/wire.ts";
import { commit, version } from "./version.ts";

/** With the flag `check`, says whether it could start here, and does nothing. */
const CHECK = "--check";

/** Runs the supervisor until it is told to end. Returns the exit code. */
export async function runDaemon(flags: Flags): Promise<number> {
  try {
    const log = openLog({
      level: Deno.env.get("LOG_LEVEL"),
      format: Deno.env.get("LOG_FORMAT"),
      toJournal: Deno.env.has("JOURNAL_STREAM"),
    });
    const config = readConfig(flags);
    const where = places(config);
    if (flags.check !== true) return await supervise(config, where, flags, log);
    check(where);
    checkCgroups(config.cgroup);
    console.log(`holdfast ${version} (commit ${commit}): the configuration can be used`);
    return 0;
  } catch (error) {
    return tellWhy(error);
  }
}

/** Prints what a start would do with each job, and does nothing. Returns the exit code. */
export function printRecoveryPlan(flags: Flags, json: boolean): Promise<number> {
  try {
    const { state } = places(readConfig(flags));
    refuseForeignState(state);
    takeLock(`${state}/lock`);
    const files = new RunFiles(state);
    const journal = new Journal(journalFile(state, files), "");
    const processes = new HostProcesses(), cgroups = new HostCgroups();
    const survey = new Survey({ clock: hostClock, processes, files, cgroups });
    const plan = makePlan(journal.liveJobs(), (job) => survey.look(job));
    journal.close();
    printPlan(plan, json);
    return Promise.resolve(0);
  } catch (error) {
    return Promise.resolve(tellWhy(error));
  }
}

/** Returns the exit code; a mistake of ours is thrown on. */
function tellWhy(error: unknown): number {
  if (!isForPeople(error)) throw error;
  console.error(`holdfast: ${error.message}`);
  return error instanceof ConfigError || error instanceof NoSuchCgroup ? 2 : 1;
}

function journalFile(state: string, files: RunFiles): JournalFile {
  return new JournalFile(`${state}/journal.db`, tracesOf(files));
}

function printPlan(plan: readonly PlanItem[], json: boolean): void {
  const counts = countFates(plan);
  const items = plan.map(({ job, fate, why }) => ({ id: job.id, state: job.state, fate, why }));
  if (json) return console.log(JSON.stringify({ plan: items, ...counts }));
  for (const { id, state, fate, why } of items) console.log(`${id}  ${state}  ${fate}: ${why}`);
  console.log(Object.entries(counts).map(([fate, count]) => `${count} ${fate}`).join(", "));
}

async function supervise(
  config: Config,
  where: Places,
  flags: Flags,
  log: Log,
): Promise<number> {
  const clock = hostClock;
  const began = clock.wallMs();
  const isInit = Deno.pid === 1;
  prepare(where);
  const { state, socket } = where;
  const nice = findNice();
  takeLock(`${state}/lock`);
  claimSocket(socket);
  const nodeName = config.node_name ?? Deno.hostname();
  const files = new RunFiles(state);
  const logs = new HostLogFiles(state);
  const logBounds = new LogBounds({
    clock,
    logs,
    log,
    limitOf: (id) =>
      journal.job(id)?.spec.limits?.logSize ??
        config.default_limits.logSize!,
    reserve: config.disk_reserve,
  });
  logBounds.prepare();
  const journal = new Journal(journalFile(state, files), nodeName);

  const holders = findCgroups(config.cgroup, state, isInit);
  log.info("cgroups", { ...holders, controllers: holders.controllers.join(" ") });
  const cgroups = new HostCgroups(holders, config.cpu_limit);
  const holdsProcesses = holders.controllers.includes("pids");
  const isRoot = Deno.uid() === 0;
  // RLIMIT_NPROC does not bind root.
  const limits = nodeLimits(config, nice, holdsProcesses || !isRoot);
  // Not refused: a supervisor that does not start would be worse for the jobs that run.
  if (asksForProcesses(config) && !limits.canLimitProcesses) {
    log.warn(NO_PROCESS_LIMIT, { doing: "refusing jobs, since the configuration limits them" });
  }
  if (!isInit) becomeSubreaper();
  const softFileLimit = raiseFileLimit();
  const program = openSessionProgram(state);
  const hasProgram = program !== undefined;
  const script = shimScript({ hasProgram, setsid: findSetsid(), softFileLimit });
  const reactor = new Reactor((error) => log.error("failed", { what: String(error) }));
  const setup = { nice, boundsProcesses: !isRoot && !holdsProcesses };
  const spawner = new Spawner({ stateDirectory: state, script, setup, program });
  const processes = new HostProcesses(reactor, spawner);
  const { ground } = processes;
  const carriers = (known: ReadonlySet<number>) => jobProcesses(state, known);
  catchUp({ journal, files, clock, ground, log, jobProcesses: carriers });
  const capacity = {
    cpus: config.cpus ?? availableCpus(),
    memory: config.memory ?? availableMemory(),
    pinned: limits.cpuIds.length,
  };
  const newToken = () => crypto.randomUUID();
  const { cpuIds } = limits;
  const parts = {
    clock,
    journal,
    processes,
    files,
    cgroups,
    capacity,
    cpuIds,
    log,
    logBounds,
    newToken,
  };
  const supervisor = new Supervisor(parts);
  Deno.addSignalListener("SIGCHLD", () => supervisor.childrenEnded());

  const requests = new Requests({
    ...parts,
    supervisor,
    limits,
    maxQueued: config.max_queued,
    user: userName(),
    retentionMs: config.retention * 1000,
    cannotRun,
  });
  const upkeep = new Upkeep({ ...parts, supervisor, requests, alertAbove: config.alert_above });
  const recovery = upkeep.start();

  const about = {
    name: nodeName,
    version,
    pid: Deno.pid,
    startedAt: time(began),
    cpus: capacity.cpus,
    memory: capacity.memory,
    cgroup: holders.directory,
    controllers: holders.directory === undefined ? undefined : holders.controllers,
    cgroupProblem: holders.problem,
  };
  let notReplaced: NotReplaced | undefined;
  const service = new HoldfastService({
    supervisor,
    requests,
    journal,
    clock,
    streams: new Streams(journal, logs, (subscriber) => supervisor.subscribe(subscriber)),
    log,
    uid: Deno.uid() ?? 0,
    node: () => ({ ...about, ...supervisor.status, notReplaced, recovery }),
  });
  const server = new Server(reactor, service, {
    message: config.max_message,
    connections: config.max_connections,
    calls: config.max_calls,
    unread: config.max_unread,
  }, log);
  server.listen(socket);
  log.info("listening", {
    socket,
    pid: Deno.pid,
    version,
    cpus: capacity.cpus,
    memory: capacity.memory,
  });
  notify("READY=1");
  supervisor.begin();

  const regularCheck = setInterval(() => upkeep.check(), config.check_interval * 1000);
  void reactor.run();
  const ending = await untilEnd(supervisor, {
    isBurst: flags.burst === true,
    terminates: isInit || config.on_stop === "terminate",
    log,
    trySuccessor: () => tryProgram(OWN_PATH, ownExecution(), CHECK, processes),
    notReplaced: (message) => {
      log.error("not replaced", { by: OWN_PATH, why: message, doing: "carrying on" });
      notReplaced = { at: time(clock.wallMs()), message };
    },
  });
  clearInterval(regularCheck);
  supervisor.handOver();
  if (ending === "handOver") server.removeSocket();
  server.close();
  if (ending === "replace") {
    log.info("replacing", { by: OWN_PATH });
    setSoftFileLimit(softFileLimit);
    replaceSelf();
  }
  notify("STOPPING=1");
  cgroups.leave();
  journal.close();
  log.info("ended", {});
  reactor.stop();
  return 0;
}

function nodeLimits(
  config: Config,
  nice: Nice | undefined,
  canLimitProcesses: boolean,
): NodeLimits {
  const { default_limits, max_limits } = config;
  return {
    defaults: default_limits,
    maxima: max_limits,
    maxTimeout: config.max_timeout,
    maxCpus: config.max_cpus,
    maxMemory: config.max_memory,
    pin: config.pin_jobs,
    cpuIds: cpuIds(),
    leastNice: nice?.least,
    canLimitProcesses,
  };
}

function asksForProcesses({ default_limits, max_limits }: Config): boolean {
  return (default_limits.processes ?? max_limits.processes) !== undefined;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(Deno.uid());
  }
}

/** Whether the message says all that a person needs. */
function isForPeople(error: unknown): error is Error {
  const kinds = [
    ConfigError,
    NoPlace,
    NoSuchCgroup,
    Locked,
    JournalRefused,
    JournalUnavailable,
    SystemError,
    SocketTaken,
  ];
  if (kinds.some((kind) => error instanceof kind)) return true;
  return Object.values(Deno.errors).some((kind) => error instanceof kind);
}
