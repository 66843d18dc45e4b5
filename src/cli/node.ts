/** holdfast node, drain and resume: the node's state, and whether it takes jobs. */

import type { Command } from "commander";
import type { NodeStatus } from "../varlink/interface.ts";
import { withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { sizeText } from "./job_text.ts";
import { print, printJson } from "./output.ts";
import { verb } from "./verb.ts";

export function node(): Command {
  return nodeVerb("node", "Node", "tell how the node and its supervisor are");
}

export function drain(): Command {
  return nodeVerb(
    "drain",
    "Drain",
    "accept and start no more jobs, until resume; running ones go on",
  );
}

export function resume(): Command {
  return nodeVerb("resume", "Resume", "accept and start jobs again");
}

function nodeVerb(name: string, method: "Node" | "Drain" | "Resume", description: string): Command {
  const command = verb(name, description).action(async () => {
    const reply = await withClient(command, (client) => client.call(method, {}));
    if (globals(command).json) printJson(reply);
    else for (const line of describeNode(reply.node)) print(line);
  });
  return withExamples(command, `holdfast ${name}`);
}

export function describeNode(node: NodeStatus): string[] {
  const { recovery } = node;
  const state = node.degraded
    ? `degraded: ${node.degraded}`
    : node.draining
    ? "draining"
    : "accepting jobs";
  return [
    `Node:       ${node.name}, ${state}`,
    `Supervisor: holdfast ${node.version}, pid ${node.pid}, since ${node.startedAt}`,
    `Jobs:       ${node.running} running, ${node.queued} queued`,
    ...(node.cannotStart ? [`Starts:     none now, trying again: ${node.cannotStart}`] : []),
    `CPUs:       ${node.cpusAllocated} of ${node.cpus} allocated`,
    `Memory:     ${sizeText(node.memoryAllocated)} of ${sizeText(node.memory)} allocated`,
    `Recovery:   ${recovery.at}, ${recovery.durationMs} ms: ${recovery.kept} kept, ` +
    `${recovery.adopted} adopted, ${recovery.requeued} requeued, ${recovery.ended} ended, ` +
    `${recovery.interrupted} interrupted`,
  ];
}
