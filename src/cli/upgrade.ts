/** holdfast upgrade: has the running supervisor replaced by the binary that is installed now. */

import type { Command } from "commander";
import { Client, NoSupervisor } from "../varlink/client.ts";
import type { NodeStatus } from "../varlink/interface.ts";
import { withExamples } from "./arguments.ts";
import { globals, socketOf, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { print, printJson } from "./output.ts";
import { verb } from "./verb.ts";

const PATIENCE_MS = 30_000;
const RETRY_MS = 50;

export function upgrade(): Command {
  const command = verb(
    "upgrade",
    "replace the running supervisor by the binary now installed; jobs go on",
  )
    .action(async () => {
      const before = await withClient(command, (client) => client.call("Node", {}));
      try {
        Deno.kill(before.node.pid, "SIGHUP");
      } catch (error) {
        const who = `the supervisor, pid ${before.node.pid}`;
        throw new Failure(`may not signal ${who}: ${(error as Error).message}`, EXIT.refused);
      }
      const node = await successor(command, before.node);
      if (globals(command).json) printJson({ node });
      else {print(
          `holdfast ${before.node.version} was replaced by ${node.version}, pid ${node.pid}`,
        );}
    });
  return withExamples(
    command,
    "install -m 755 holdfast-new /usr/local/bin/holdfast && holdfast upgrade",
  );
}

async function successor(command: Command, before: NodeStatus): Promise<NodeStatus> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    try {
      const client = await Client.connect(socketOf(command));
      const { node } = await client.call("Node", {});
      client.close();
      if (node.startedAt !== before.startedAt) return node;
    } catch (error) {
      if (!(error instanceof NoSupervisor)) throw error;
    }
  }
  throw new Failure(
    `no new supervisor answered within ${PATIENCE_MS / 1000} s; see its log, and start it again`,
    EXIT.noSupervisor,
  );
}
