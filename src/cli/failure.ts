/** What went wrong, as a person reads it and as a script tests it. */

import { NotText } from "../called.ts";
import { ConfigError } from "../config.ts";
import { NoPlace } from "../paths.ts";
import { NoSupervisor, VarlinkError } from "../varlink/client.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Or pool. */
  noSuchJob: 3,
  noSupervisor: 4,
  refused: 5,
  /** `run` and `wait`: everything that is not the job's own exit. */
  notTheJob: 125,
} as const;

/** A failure of ours that says all there is to say. */
export class Failure extends Error {
  constructor(message: string, readonly exitCode: number) {
    super(message);
    this.name = "Failure";
  }
}

/** What went wrong has been told already: only the exit code is left to be given. */
export class AlreadyTold extends Error {
  constructor(readonly exitCode: number) {
    super("what went wrong has been told");
    this.name = "AlreadyTold";
  }
}

interface Told {
  readonly message: string;
  readonly exitCode: number;
}

export function tell(error: unknown): Told {
  if (error instanceof Failure) return error;
  if (error instanceof NoSupervisor) {
    const start = "Start one with: holdfast daemon   (or: systemctl start holdfast)";
    return { message: `${error.message}\n${start}`, exitCode: EXIT.noSupervisor };
  }
  if (error instanceof VarlinkError) return tellRefusal(error);
  if (error instanceof ConfigError || error instanceof NoPlace || error instanceof NotText) {
    return { message: error.message, exitCode: EXIT.usage };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return { message: `not permitted: ${error.message}`, exitCode: EXIT.refused };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, exitCode: EXIT.failed };
}

function tellRefusal({ name, parameters }: VarlinkError): Told {
  const { id, field, message, limit, state, what, parameter, name: pool, jobs } = parameters;
  const told = (text: string, exitCode: number) => ({ message: text, exitCode });
  switch (name) {
    case "NoSuchJob":
      return told(`there is no job ${id}; holdfast list shows those there are`, EXIT.noSuchJob);
    case "InvalidJob":
      return told(`invalid job: ${field} ${message}`, EXIT.usage);
    case "KeyConflict":
      return told(
        `job ${id} has this key, with another ${specification(field)}; ` +
          `holdfast status ${id} shows it, another key makes a new job`,
        EXIT.refused,
      );
    case "JobEnded":
      return told(`job ${id} has ended (${state})`, EXIT.refused);
    case "NotRunning":
      return told(`job ${id} is ${state} and has no process to signal now`, EXIT.refused);
    case "NotQueued":
      return told(
        `job ${id} is ${state}; only a queued job can be held or released`,
        EXIT.refused,
      );
    case "LogLost":
      return told(
        `the log of job ${id} is lost: ${(parameters.paths as string[]).join(" and ")} ` +
          "is not what the job has written; it was removed, renamed or replaced",
        EXIT.failed,
      );
    case "NoSuchPool":
      return told(`there is no pool ${pool}; holdfast pools shows those there are`, EXIT.noSuchJob);
    case "PoolInUse":
      return told(
        `pool ${pool} has ${jobs === 1 ? "1 job that has" : `${jobs} jobs that have`} not ended; ` +
          "a pool can be removed when all its jobs have",
        EXIT.refused,
      );
    case "QueueFull":
      return told(`the queue is full (${limit} jobs); try again later`, EXIT.refused);
    case "Draining":
      return told(
        "the node takes no jobs now: it is draining (holdfast resume ends that), or ending",
        EXIT.refused,
      );
    case "JournalUnavailable":
      return told(
        `the journal cannot be written (${message}); nothing was accepted, try again later`,
        EXIT.refused,
      );
    case "LimitExceeded":
      return told(tellLimit(String(what), Number(limit)), EXIT.refused);
    case "PermissionDenied":
      return told("the supervisor answers only root and its own user", EXIT.refused);
    case "InvalidParameter":
      return told(`the supervisor does not accept the value of ${parameter}`, EXIT.usage);
    default:
      return told(`the supervisor answered ${name} ${JSON.stringify(parameters)}`, EXIT.failed);
  }
}

function tellLimit(what: string, limit: number): string {
  const told = `the supervisor's limit of ${limit} ${what} is exceeded`;
  if (what !== "message bytes") return told;
  return `${told}\n` +
    "--clean-env sends less of the environment; max_message in the configuration raises the limit.";
}

/** A field of Spec as a person calls it; older supervisors do not say which it was. */
function specification(field: unknown): string {
  const names: Record<string, string> = {
    cpus: "number of CPUs",
    memory: "amount of memory",
    after: "list of jobs to follow",
    grace: "grace period",
    notBefore: "earliest start",
  };
  return typeof field === "string" ? names[field] ?? field : "specification";
}
