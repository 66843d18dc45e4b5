/** How a verb reaches the supervisor, once or through its restarts. */

import type { Command } from "commander";
import { socketPath } from "../paths.ts";
import { Client, NoSupervisor } from "../varlink/client.ts";
import { EXIT, Failure, tell } from "./failure.ts";
import { complain } from "./output.ts";

/** How long `run`, `wait` and `logs -f` wait for the next supervisor. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;
/** sun_path of unix(7), without its NUL. */
const SOCKET_PATH_BYTES = 107;

export interface GlobalOptions {
  readonly socket?: string;
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals();
}

/** An empty one counts as not given. Throws Failure when no socket can have such a path. */
export function socketOf(command: Command): string {
  const { socket, runtimeDir } = globals(command);
  const surroundings = {
    env: (name: string) => Deno.env.get(name) || undefined,
    uid: Deno.uid() ?? 0,
  };
  const given = { socket: socket || undefined, runtimeDir };
  const path = socketPath(given, surroundings);
  const { length } = new TextEncoder().encode(path);
  if (length <= SOCKET_PATH_BYTES) return path;
  throw new Failure(
    `the socket path ${path} has ${length} bytes, and a socket address holds ${SOCKET_PATH_BYTES}\n` +
      "Give a shorter one, as by a symbolic link, with --socket or $HOLDFAST_SOCKET.",
    EXIT.usage,
  );
}

/** Runs `body` with a connection. */
export async function withClient<T>(
  command: Command,
  body: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await Client.connect(socketOf(command));
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

/**
 * The same, again with the next supervisor when one dies, for up to a minute. `wasThere`: one has
 * answered this command before, so that it is waited for from the beginning.
 */
export async function withAnyClient<T>(
  command: Command,
  body: (client: Client) => Promise<T>,
  { wasThere = false }: { wasThere?: boolean } = {},
): Promise<T> {
  for (let isKnown = wasThere;; isKnown = true) {
    const client = isKnown ? await reconnect(command) : await Client.connect(socketOf(command));
    try {
      return await body(client);
    } catch (error) {
      if (!(error instanceof NoSupervisor)) throw error;
      tellItIsGone();
    } finally {
      client.close();
    }
  }
}

async function reconnect(command: Command): Promise<Client> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await Client.connect(socketOf(command));
    } catch (error) {
      if (!(error instanceof NoSupervisor) || performance.now() > until) throw error;
      tellItIsGone();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

let toldAtMs = -Infinity;

/** Once for all the connections that one verb has. */
function tellItIsGone(): void {
  const isTold = performance.now() - toldAtMs < PATIENCE_MS;
  if (isTold) return;
  toldAtMs = performance.now();
  complain(`the supervisor is gone; waiting up to ${PATIENCE_MS / 1000} s for the next one`);
}

/** For verbs whose exit code is the job's: every failure of ours is told apart from it. */
export async function exitAsJob(body: () => Promise<number>): Promise<never> {
  let code: number = EXIT.notTheJob;
  try {
    code = await body();
  } catch (error) {
    complain(tell(error).message);
  }
  Deno.exit(code);
}
