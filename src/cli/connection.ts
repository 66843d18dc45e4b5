/** How a verb reaches the supervisor, once or through its restarts. */

import type { Command } from "commander";
import { socketPath } from "../paths.ts";
import { Client, NoSupervisor } from "../varlink/client.ts";
import { EXIT, tell } from "./failure.ts";
import { complain } from "./output.ts";

/** How long `run`, `wait` and `logs -f` wait for the next supervisor. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;

export interface GlobalOptions {
  readonly socket?: string;
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals();
}

export function socketOf(command: Command): string {
  const surroundings = { env: (name: string) => Deno.env.get(name), uid: Deno.uid() ?? 0 };
  return socketPath(globals(command), surroundings);
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
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await Client.connect(socketOf(command));
    } catch (error) {
      if (!(error instanceof NoSupervisor) || Date.now() > until) throw error;
      tellItIsGone();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

let toldAtMs = -Infinity;

/** Once for all the connections that one verb has. */
function tellItIsGone(): void {
  const isTold = Date.now() - toldAtMs < PATIENCE_MS;
  if (isTold) return;
  toldAtMs = Date.now();
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
