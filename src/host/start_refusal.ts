/** Why nothing was executed, in words: the same whether a shim has told it or it is read from `refused`. */

import type { Limits } from "../job/limits.ts";
import { signalName } from "../job/signals.ts";
import type { Refusal } from "../ports.ts";
import { errno, errorText } from "./libc.ts";

/** What a keeper or a shim says of it. */
export interface RefusedStep {
  /** Number of the stage, in the order of `enum stage` of src/keeper/refuse.h. */
  readonly stage: number;
  /** errno(3) */
  readonly error: number;
  /** A path or value, and what it leads to. */
  readonly about: string;
  readonly leadsTo?: string;
}

interface Stage {
  readonly by: Refusal["by"];
  readonly words: (step: RefusedStep, cause: string) => string;
}

/** RLIMIT_*, the same on x86_64 and aarch64. */
export const RLIMITS = {
  fileSize: 1,
  stackSize: 3,
  coreSize: 4,
  processes: 6,
  openFiles: 7,
} as const satisfies Partial<Record<keyof Limits, number>>;

const ENAMETOOLONG = 36, EISDIR = 21, ELOOP = 40, EBADMSG = 74, EMSGSIZE = 90;

const STAGES: readonly Stage[] = [
  { by: "node", words: messageWords },
  { by: "node", words: (_, cause) => `the node cannot fork a process: ${cause}` },
  { by: "node", words: ({ about }, cause) => `cannot join its cgroup ${about}: ${cause}` },
  { by: "node", words: (_, cause) => `cannot begin a session: ${cause}` },
  { by: "node", words: ({ about }, cause) => `cannot open ${about}: ${cause}` },
  { by: "node", words: ({ about }, cause) => `cannot run on the CPUs ${about}: ${cause}` },
  { by: "job", words: ({ about }, cause) => `cannot set nice to ${about}: ${cause}` },
  { by: "job", words: limitWords },
  { by: "job", words: ({ about }, cause) => `cannot set oomScore to ${about}: ${cause}` },
  { by: "job", words: ({ about }, cause) => `cannot become the user with uid ${about}: ${cause}` },
  { by: "job", words: ({ about }, cause) => `cannot enter the directory ${about}: ${cause}` },
  { by: "job", words: commandWords },
  { by: "job", words: interpreterWords },
  {
    by: "job",
    words: ({ about }) => `${about} is on a file system that is mounted noexec`,
  },
  { by: "job", words: killedWords },
];

export function refusalOf(step: RefusedStep): Refusal {
  const stage = STAGES[step.stage];
  const cause = errorText(step.error);
  if (!stage) return { why: `nothing was executed: ${cause}`, by: "node" };
  return { why: stage.words(step, cause), by: isOfTheNode(step) ? "node" : stage.by };
}

/** What `refused` holds; undefined when that was not finished. */
export function parseRefused(text: string): RefusedStep | undefined {
  const match = /^(\d+) (\d+) ([^]*)\n$/.exec(text);
  if (!match) return undefined;
  return { stage: Number(match[1]), error: Number(match[2]), ...parseAbout(match[3]!) };
}

export function parseAbout(text: string): Pick<RefusedStep, "about" | "leadsTo"> {
  const [about, leadsTo] = text.split("\0");
  return { about: about!, leadsTo };
}

const SHORTAGES: readonly number[] = [errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EIO];

/** Whatever was being done: the node was short of something. */
function isOfTheNode({ error }: RefusedStep): boolean {
  return SHORTAGES.includes(error);
}

function killedWords({ about }: RefusedStep): string {
  const signal = signalName(Number(about));
  return `its process ended${signal ? ` by ${signal}` : ""} before it could execute the command`;
}

function messageWords({ error }: RefusedStep, cause: string): string {
  if (error === errno.E2BIG) return "its command and environment are larger than any kernel takes";
  if (error === EBADMSG || error === EMSGSIZE) {
    return "the keeper did not understand its start; a NUL in its command, environment or directory?";
  }
  return `the keeper cannot take its start: ${cause}`;
}

function limitWords({ about }: RefusedStep, cause: string): string {
  const [resource, value] = about.split(" ").map(Number);
  const name = Object.entries(RLIMITS).find(([, number]) => number === resource)?.[0];
  return `cannot set ${name ?? `limit ${resource}`} to ${value}: ${cause}`;
}

function commandWords({ error, about }: RefusedStep, cause: string): string {
  switch (error) {
    case errno.ENOENT:
      return about.includes("/")
        ? `command not found: ${about}`
        : `command not found in PATH: ${about}`;
    case EISDIR:
      return `command is a directory: ${about}`;
    case errno.EACCES:
      return `command is not executable: ${about}`;
    case errno.E2BIG:
      return `its command and environment are too long for the kernel to execute ${about} with`;
    case ENAMETOOLONG:
      return `command name is too long: ${about}`;
    default:
      return `cannot execute ${about}: ${cause}`;
  }
}

function interpreterWords({ error, about, leadsTo }: RefusedStep, cause: string): string {
  const interpreter = leadsTo === undefined ? "its interpreter" : `its interpreter ${leadsTo}`;
  switch (error) {
    case errno.ENOENT:
      return `cannot execute ${about}: ${interpreter} is not there`;
    case errno.EACCES:
      return `cannot execute ${about}: ${interpreter} is not executable`;
    case ELOOP:
      return `cannot execute ${about}: too many interpreters lead to each other`;
    default:
      return `cannot execute ${about} by ${interpreter}: ${cause}`;
  }
}
