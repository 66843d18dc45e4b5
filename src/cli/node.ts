/** holdfast node, drain and resume: the node's state, and whether it takes jobs. */

import type { Command } from "commander";
import type { NodeStatus } from "../varlink/interface.ts";
import { withExamples } from "./arguments.ts";
import { globals, withClient } from "./connection.ts";
import { sizeText } from "../units.ts";
import { print, printJson, report, width } from "./output.ts";
import { layOutFacts } from "./table.ts";
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
    const printAnswer = () => {
      if (globals(command).json) printJson(reply);
      else for (const line of describeNode(reply.node, width())) print(line);
    };
    if (method === "Node") printAnswer();
    else report(`the node is ${stateOf(reply.node)}`, printAnswer);
  });
  return withExamples(command, `holdfast ${name}`);
}

export function describeNode(node: NodeStatus, width?: number): string[] {
  const { recovery, cannotStart, shortOfSpace } = node;
  return layOutFacts([
    ["Node", `${node.name}, ${stateOf(node)}`],
    ["Supervisor", `holdfast ${node.version}, pid ${node.pid}, since ${node.startedAt}`],
    ["Jobs", `${node.running} running, ${node.queued} queued`],
    ["Starts", cannotStart && `none now, trying again: ${cannotStart}`],
    ["Disk", shortOfSpace && `logs are cut short: ${shortOfSpace}`],
    ["CPUs", `${node.cpusAllocated} of ${node.cpus} allocated`],
    ["Memory", `${sizeText(node.memoryAllocated)} of ${sizeText(node.memory)} allocated`],
    ["Cgroups", cgroupsText(node)],
    [
      "Recovery",
      `${recovery.at}, ${recovery.durationMs} ms: ${recovery.kept} kept, ` +
      `${recovery.adopted} adopted, ${recovery.requeued} requeued, ${recovery.ended} ended, ` +
      `${recovery.interrupted} interrupted`,
    ],
  ], width);
}

function cgroupsText({ cgroup, controllers = [], cgroupProblem }: NodeStatus): string {
  const why = cgroupProblem ? ` (${cgroupProblem})` : "";
  if (cgroup === undefined) return `none${why}`;
  const limits = controllers.length > 0 ? controllers.join(", ") : "they only end jobs";
  return `${cgroup}: ${limits}${why}`;
}

function stateOf({ degraded, draining }: NodeStatus): string {
  return degraded ? `degraded: ${degraded}` : draining ? "draining" : "accepting jobs";
}
