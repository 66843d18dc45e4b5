/**
 * holdfast logs: what a job wrote, byte for byte; stdout to stdout, stderr to stderr. One stream that
 * was asked for alone goes to standard output, as the output of any command does.
 */

import { Buffer } from "node:buffer";
import { type Command, Option } from "commander";
import { type Client, VarlinkError } from "../varlink/client.ts";
import type { Job, Stream } from "../varlink/interface.ts";
import { count, jobId, type TypedId, withExamples } from "./arguments.ts";
import { globals, withAnyClient, withClient } from "./connection.ts";
import { AlreadyTold, EXIT, Failure, tell } from "./failure.ts";
import { idText } from "./job_text.ts";
import { complain, printJson, write } from "./output.ts";
import { findOne } from "./targets.ts";
import { sizeText } from "../units.ts";
import { verb } from "./verb.ts";

interface LogOptions {
  readonly stream?: Stream;
  readonly offset?: number;
  readonly follow?: boolean;
  /** A supervisor has answered before: it is waited for when it is away. */
  readonly wasThere?: boolean;
}

export function logs(): Command {
  const command = verb("logs", "print what a job has written")
    .argument("<id>", "id of the job", jobId)
    .option("-f, --follow", "go on until the job has ended, through restarts of the supervisor")
    .addOption(
      new Option("--stream <name>", "only this one, to standard output")
        .choices(["stdout", "stderr"]),
    )
    .option("--offset <bytes>", "begin there; needs --stream", count)
    .action(async (typed: TypedId, options: LogOptions) => {
      if (options.offset !== undefined && !options.stream) {
        throw new Failure("--offset needs --stream stdout or --stream stderr", EXIT.usage);
      }
      const find = () => withClient(command, (client) => findOne(client, typed, "logs"));
      const { job } = await find();
      if (!options.follow || job.endedAt) refuseUnstarted(job);
      const isWhole = await showLogs(command, job.id, { ...options, wasThere: true });
      if (!isWhole) throw new AlreadyTold(EXIT.failed);
      if (options.follow && !job.startedAt) refuseUnstarted((await find()).job);
    });
  return withExamples(
    command,
    "holdfast logs 12",
    "holdfast logs -f 12",
    "holdfast logs 12_3",
    "holdfast logs --stream stderr 12 > errors.txt",
  );
}

/** That there is no output says nothing about a job that could not write any. */
function refuseUnstarted(job: Job): void {
  const { state, reason, message, waiting } = job;
  const name = `job ${idText(job)}`;
  const why = (text: string | undefined) => text === undefined ? "" : `: ${text}`;
  if (state === "QUEUED") {
    throw new Failure(
      `${name} has not been started${why(waiting && `it waits for ${waiting}`)}`,
      EXIT.failed,
    );
  }
  if (!job.endedAt || (job.startedAt && reason !== "startFailed")) return;
  const ended = `${name} was never started; it ended as ${state} (${reason})`;
  throw new Failure(ended + why(message), EXIT.failed);
}

/**
 * Each stream has its own connection, so that each can be taken up again where it broke off. False when
 * something of it is lost, which has been told.
 */
export async function showLogs(
  command: Command,
  id: number,
  options: LogOptions,
): Promise<boolean> {
  const streams: Stream[] = options.stream ? [options.stream] : ["stdout", "stderr"];
  const shown = (stream: Stream) => showUnlessLost(command, id, stream, options);
  if (options.follow) return (await Promise.all(streams.map(shown))).every((isWhole) => isWhole);
  let isWhole = true;
  for (const stream of streams) isWhole = await shown(stream) && isWhole;
  return isWhole;
}

async function showUnlessLost(...what: Parameters<typeof show>): Promise<boolean> {
  try {
    await show(...what);
    return true;
  } catch (error) {
    if (!(error instanceof VarlinkError) || error.name !== "LogLost") throw error;
    complain(tell(error).message);
    return false;
  }
}

async function show(
  command: Command,
  id: number,
  stream: Stream,
  { stream: only, offset: first = 0, follow = false, wasThere }: LogOptions,
): Promise<void> {
  let offset = first;
  const { json } = globals(command);
  const copy = async (client: Client) => {
    for await (const reply of client.stream("Logs", { id, stream, offset, follow })) {
      if (reply.data === undefined) continue;
      const bytes = Buffer.from(reply.data, "base64");
      offset = reply.offset! + bytes.length;
      if (json) printJson(reply);
      else {
        if (reply.cut) complain(cutText(id, stream, reply.cut));
        write(bytes, only ? "stdout" : stream);
      }
    }
  };
  await (follow ? withAnyClient(command, copy, { wasThere }) : withClient(command, copy));
}

function cutText(id: number, stream: Stream, bytes: number): string {
  return `${sizeText(bytes)} of ${stream} are left out here: job ${id} wrote more than is kept`;
}
