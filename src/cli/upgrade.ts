/** holdfast upgrade: has the running supervisor replaced by the binary that is installed now. */

import type { Command } from "commander";
import { ignores } from "../ignored_signals.ts";
import { Client, NoSupervisor } from "../varlink/client.ts";
import type { NodeStatus } from "../varlink/interface.ts";
import { withExamples } from "./arguments.ts";
import { globals, socketOf, withClient } from "./connection.ts";
import { EXIT, Failure } from "./failure.ts";
import { print, printJson, report } from "./output.ts";
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
      askToBeReplaced(before.node.pid, socketOf(command));
      const node = await successor(command, before.node);
      const done =
        `holdfast ${before.node.version} was replaced by ${node.version}, pid ${node.pid}`;
      report(done, () => {
        if (globals(command).json) printJson({ node });
        else print(done);
      });
    });
  return withExamples(
    command,
    "install -m 755 holdfast-new /usr/local/bin/holdfast && holdfast upgrade",
  );
}

/** A pid from another namespace, as a container's, names a stranger here: it is not signalled. */
function askToBeReplaced(pid: number, socket: string): void {
  try {
    if (!listensAt(pid, socket)) {
      const where = `here no process ${pid} listens at ${socket}`;
      throw new Failure(
        `the supervisor calls itself pid ${pid}, and ${where}\n` +
          "If it runs in a container, send SIGHUP to it there.",
        EXIT.failed,
      );
    }
    if (ignores("SIGHUP", pid)) {
      throw new Failure(
        `the supervisor, pid ${pid}, ignores SIGHUP, since it was started so, as nohup(1) does\n` +
          `End it (kill ${pid}) and start it again: jobs go on meanwhile.`,
        EXIT.refused,
      );
    }
    Deno.kill(pid, "SIGHUP");
  } catch (error) {
    if (error instanceof Failure) throw error;
    const cause = (error as Error).message;
    throw new Failure(`may not signal the supervisor, pid ${pid}: ${cause}`, EXIT.refused);
  }
}

/** Whether one of its descriptors is a socket of this name. Throws what Deno.readDirSync throws. */
export function listensAt(pid: number, socket: string): boolean {
  const sockets = socketsNamed(Deno.readTextFileSync("/proc/net/unix"), socket);
  try {
    const folder = `/proc/${pid}/fd`;
    return [...Deno.readDirSync(folder)].some(({ name }) => {
      try {
        return sockets.has(Deno.readLinkSync(`${folder}/${name}`));
      } catch {
        return false; // closed in between
      }
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** As descriptors show them, from /proc/net/unix. A socket was bound as `name.PID`, then renamed. */
export function socketsNamed(table: string, path: string): Set<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const sockets = new Set<string>();
  for (const line of table.split("\n")) {
    const [, inode, bound] = /^(?:\S+\s+){6}(\d+)\s(.*)$/.exec(line) ?? [];
    const last = bound?.slice(bound.lastIndexOf("/") + 1);
    if (last === name || last?.replace(/\.\d+$/, "") === name) sockets.add(`socket:[${inode}]`);
  }
  return sockets;
}

async function successor(command: Command, before: NodeStatus): Promise<NodeStatus> {
  let isThere = false;
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    try {
      const client = await Client.connect(socketOf(command));
      const { node } = await client.call("Node", {});
      client.close();
      if (node.startedAt !== before.startedAt) return node;
      const { notReplaced } = node;
      if (notReplaced && notReplaced.at !== before.notReplaced?.at) {
        throw new Failure(`${notReplaced.message}\n${goesOn(node)}`, EXIT.failed);
      }
      isThere = true;
    } catch (error) {
      if (!(error instanceof NoSupervisor)) throw error;
      isThere = false;
    }
  }
  if (isThere) {
    const late = `no new supervisor answered within ${PATIENCE_MS / 1000} s; see the log`;
    throw new Failure(`${late}\n${goesOn(before)}`, EXIT.failed);
  }
  throw new Failure(
    `no new supervisor answered within ${PATIENCE_MS / 1000} s; see its log, and start it again`,
    EXIT.noSupervisor,
  );
}

function goesOn({ version, pid }: NodeStatus): string {
  return `The supervisor, holdfast ${version}, pid ${pid}, goes on as before.`;
}
