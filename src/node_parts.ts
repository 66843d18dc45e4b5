/** The real parts of this node, each made of those before it: files, journal, cgroups, limits, processes. */

import type { Config } from "./config.ts";
import { availableCpus, availableMemory, cpuIds } from "./host/capacity.ts";
import { findCgroups } from "./host/cgroup_ground.ts";
import { HostCgroups } from "./host/cgroups.ts";
import { clockOf } from "./host/clock.ts";
import { HostLogFiles } from "./host/log_files.ts";
import { leastNice } from "./host/nice.ts";
import { becomeSubreaper, HostProcesses } from "./host/processes.ts";
import { Reactor } from "./host/reactor.ts";
import { raiseFileLimit } from "./host/resource_limits.ts";
import { RunFiles } from "./host/run_files.ts";
import { HostShims } from "./host/shims.ts";
import { LARGE } from "./job/large_change.ts";
import type { Log } from "./job/log.ts";
import { NO_PROCESS_LIMIT, type NodeLimits } from "./job/node_limits.ts";
import { tracesOf } from "./recover/older_journal.ts";
import { JournalFile } from "./store/database.ts";
import { Journal } from "./store/journal.ts";
import { LogBounds } from "./supervisor/log_bounds.ts";
import { SteadyClock } from "./supervisor/steady_clock.ts";

/** `isInit`: we are pid 1. The lock of the state directory must be held. Throws JournalRefused. */
export function makeParts(
  { config, state, nodeName, isInit, log }: {
    config: Config;
    state: string;
    nodeName: string;
    isInit: boolean;
    log: Log;
  },
) {
  const reactor = new Reactor((error) => log.error("failed", { what: String(error) }));
  const clock = clockOf(reactor);
  const files = new RunFiles(state);
  files.prepare();
  const logs = new HostLogFiles(state);
  const logBounds = new LogBounds({
    clock,
    logs,
    log,
    limitOf: (id) => journal.job(id)?.spec.limits?.logSize ?? config.default_limits.logSize!,
    reserve: config.disk_reserve,
  });
  logBounds.prepare();
  const journal = new Journal(new JournalFile(`${state}/journal.db`, tracesOf(files)), nodeName);
  journal.open();

  const ground = findCgroups(config.cgroup, state, isInit);
  log.info("cgroups", { ...ground, controllers: ground.controllers.join(" ") });
  const cgroups = new HostCgroups(ground, config.cpu_limit);

  const holdsProcesses = ground.controllers.includes("pids");
  const isRoot = Deno.uid() === 0;
  // RLIMIT_NPROC does not bind root.
  const limits = nodeLimits(config, holdsProcesses || !isRoot);
  // Not refused: a supervisor that does not start would be worse for the jobs that run.
  if (asksForProcesses(config) && !limits.canLimitProcesses) {
    log.warn(NO_PROCESS_LIMIT, { doing: "refusing jobs, since the configuration limits them" });
  }

  if (!isInit) becomeSubreaper();
  const fileLimit = raiseFileLimit();
  const processes = new HostProcesses(reactor);
  const shims = new HostShims({
    stateDirectory: state,
    reactor,
    fileLimit,
    boundsProcesses: !isRoot && !holdsProcesses,
  });

  const capacity = {
    cpus: config.cpus ?? availableCpus(),
    memory: config.memory ?? availableMemory(),
    pinned: limits.cpuIds.length,
  };
  return {
    /** What the supervisor and what serves it are made of. */
    parts: {
      clock,
      steady: new SteadyClock({ clock, journal, processes }).start(),
      journal,
      processes,
      shims,
      files,
      cgroups,
      capacity,
      cpuIds: limits.cpuIds,
      log,
      logBounds,
      newToken: () => crypto.randomUUID(),
      large: LARGE,
    },
    ground,
    limits,
    logs,
    reactor,
    softFileLimit: fileLimit.soft,
  };
}

function nodeLimits(
  config: Config,
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
    leastNice: leastNice(),
    canLimitProcesses,
  };
}

function asksForProcesses({ default_limits, max_limits }: Config): boolean {
  return (default_limits.processes ?? max_limits.processes) !== undefined;
}
