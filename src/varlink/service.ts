/** Which method does what: checks who asks and what for, and passes it on. */

import type { Log } from "../job/log.ts";
import type { Refusal } from "../job/refusal.ts";
import { signalNumber } from "../job/signals.ts";
import { isInvalid } from "../job/spec.ts";
import { cancel } from "../supervisor/changes/cancel.ts";
import { hold, release } from "../supervisor/changes/hold.ts";
import type { ChangeParts } from "../supervisor/changes/parts.ts";
import { keptInDoubt, prune } from "../supervisor/changes/prune.ts";
import { resubmit } from "../supervisor/changes/resubmit.ts";
import type { Named } from "../supervisor/changes/several.ts";
import { signal } from "../supervisor/changes/signal.ts";
import { readAsked, submit } from "../supervisor/changes/submit.ts";
import { type Answer, type Decide, UNFINISHED } from "../supervisor/loop.ts";
import type { JobRecord } from "../store/records.ts";
import { type HealthStatus, INTERFACE_NAME, type NodeStatus } from "./interface.ts";
import { introspect, SERVICE } from "./introspection.ts";
import {
  InvalidParameter,
  isMethod,
  type MethodName,
  type Parameters,
  readParameters,
} from "./parameters.ts";
import type { Call, Service } from "./connection.ts";
import type { Streams } from "./streams.ts";
import { time, wireEvent, wireJob } from "./wire.ts";

export interface ServiceParts extends ChangeParts {
  readonly streams: Streams;
  readonly log: Log;
  readonly uid: number;
  readonly node: () => NodeStatus;
  readonly health: () => HealthStatus;
}

type Handlers = { [M in MethodName]: (call: Call, parameters: Parameters<M>) => void };

const STREAMING: readonly MethodName[] = ["Watch", "Logs"];
const SUBMIT = `${INTERFACE_NAME}.Submit`;

export class HoldfastService implements Service {
  readonly #handlers: Handlers;

  constructor(private readonly parts: ServiceParts) {
    this.#handlers = handlers(parts, (...change) => this.#change(...change));
  }

  /** Submissions, which wait for the disk alone, may wait together. */
  mayOverlap(method: string): boolean {
    return method === SUBMIT;
  }

  handle(call: Call): void {
    const at = call.method.lastIndexOf(".");
    const interfaceName = call.method.slice(0, Math.max(0, at));
    const method = call.method.slice(at + 1);
    try {
      if (!this.#mayCall(call)) call.fail(`${SERVICE}.PermissionDenied`, {});
      else if (interfaceName === SERVICE && introspect(call, method)) return;
      else if (interfaceName === INTERFACE_NAME && isMethod(method)) this.#call(call, method);
      else if (interfaceName === SERVICE || interfaceName === INTERFACE_NAME) {
        call.fail(`${SERVICE}.MethodNotFound`, { method: call.method });
      } else call.fail(`${SERVICE}.InterfaceNotFound`, { interface: interfaceName });
    } catch (error) {
      if (error instanceof InvalidParameter) {
        return call.fail(`${SERVICE}.InvalidParameter`, { parameter: error.parameter });
      }
      // A read that the disk has refused, or a mistake of ours: this call fails, nothing else does.
      const message = error instanceof Error ? error.message : String(error);
      this.parts.log.error("call failed", { method: call.method, message });
      call.fail(`${INTERFACE_NAME}.JournalUnavailable`, { message });
    }
  }

  #mayCall({ peer, method }: Call): boolean {
    if (peer.uid === 0 || peer.uid === this.parts.uid) return true;
    this.parts.log.warn("refused", { uid: peer.uid, pid: peer.pid, method });
    return false;
  }

  #call<M extends MethodName>(call: Call, method: M): void {
    const parameters = readParameters(method, call.parameters);
    if (STREAMING.includes(method) && !call.more) return call.fail(`${SERVICE}.ExpectedMore`, {});
    this.#handlers[method](call, parameters);
  }

  /** Has it done in the supervisor's next turns and answers when it is on disk. */
  #change(call: Call, decide: Decide<object>, isChange?: boolean): void {
    const respond = (answer: Answer<object>) => {
      if ("value" in answer) call.reply(answer.value);
      else failWith(call, answer.refused);
    };
    this.parts.supervisor.request(decide, respond, isChange);
  }
}

function handlers(
  parts: ServiceParts,
  change: (call: Call, decide: Decide<object>, isChange?: boolean) => void,
): Handlers {
  const { supervisor, journal, streams, clock, node } = parts;
  const tell = (job: JobRecord) => {
    const elapsedMs = job.elapsedMs ?? supervisor.elapsedMs(job.id);
    return wireJob({ ...job, elapsedMs }, supervisor.note(job.id));
  };
  const known = (call: Call, id: number, go: (job: JobRecord) => void) => {
    const job = journal.job(id);
    if (job) go(job);
    else failWith(call, { error: "NoSuchJob", id });
  };
  const changeJob = (call: Call, decide: Decide<{ job: JobRecord }>, isChange?: boolean) =>
    change(
      call,
      (mayGoOn) => {
        const decided = decide(mayGoOn);
        return decided === UNFINISHED ? decided : { ...decided, job: tell(decided.job) };
      },
      isChange,
    );
  const outlook = (id: number) => {
    const found = supervisor.forecast(id);
    if (!found) return {};
    const { waiting, startsAtMs } = found;
    return {
      waiting,
      expectedStart: startsAtMs && time(clock.wallMs() + startsAtMs - clock.bootMs()),
    };
  };
  const setDraining = (call: Call, isDraining: boolean) =>
    change(call, () => {
      supervisor.setDraining(isDraining);
      return { node: node() };
    });
  return {
    Submit(call, { spec: input }) {
      const spec = readAsked(parts, input);
      if (isInvalid(spec)) return failWith(call, { error: "InvalidJob", ...spec });
      changeJob(call, submit(parts, spec, call.peer.uid));
    },
    Resubmit: (call, { id }) => changeJob(call, resubmit(parts, id, call.peer.uid)),
    Cancel: (call, parameters) => changeJob(call, cancel(parts, named(parameters))),
    Hold: (call, parameters) => changeJob(call, hold(parts, named(parameters))),
    Release(call, parameters) {
      const released = release(parts, named(parameters));
      change(call, (mayGoOn) => {
        const decided = released(mayGoOn);
        if (decided === UNFINISHED) return decided;
        // What it still waits for: its release alone may not let it start.
        return { ...decided, job: { ...tell(decided.job), ...outlook(decided.job.id) } };
      });
    },
    Signal(call, { signal: text, ...parameters }) {
      const number = signalNumber(text);
      if (number === undefined) throw new InvalidParameter("signal");
      // It changes nothing in the journal: a job that fills the disk can be killed.
      changeJob(call, signal(parts, named(parameters), number), false);
    },
    Status: (call, { id }) =>
      known(call, id, (job) => {
        const lostLogs = streams.lostLogs(job);
        call.reply({ job: { ...tell(job), ...outlook(id), lostLogs } });
      }),
    List(call, query) {
      const { jobs, next } = journal.list(query);
      call.reply({ jobs: jobs.map(tell), next });
    },
    Wait: (call, parameters) =>
      known(call, parameters.id, (job) => streams.wait(call, job, parameters)),
    History: (call, { id }) =>
      known(call, id, () =>
        change(call, () => {
          // What has happened to many at once may not be written for this one yet.
          supervisor.largeChanges.settle(id);
          return { events: journal.history(id).map(wireEvent) };
        })),
    Watch(call, parameters) {
      if (parameters.id === undefined) streams.watch(call, parameters);
      else known(call, parameters.id, () => streams.watch(call, parameters));
    },
    Logs: (call, parameters) => known(call, parameters.id, () => streams.logs(call, parameters)),
    Node: (call) => call.reply({ node: node() }),
    Health: (call) =>
      // A commit shows that the journal can be written; that it cannot is an answer too.
      supervisor.request(
        () => journal.setSetting("written", String(clock.wallMs())),
        () => call.reply({ health: parts.health() }),
      ),
    Drain: (call) => setDraining(call, true),
    Resume: (call) => setDraining(call, false),
    Pools: (call) => call.reply({ pools: supervisor.roster.pools.all() }),
    SetPool: (call, { name, limit, paused }) =>
      change(call, () => ({ pool: supervisor.roster.pools.set(name, { limit, paused }) })),
    RemovePool: (call, { name }) => change(call, () => (supervisor.roster.pools.remove(name), {})),
    Prune(call, { olderThan }) {
      const olderThanMs = olderThan === undefined ? undefined : olderThan * 1000;
      const pruned = prune(parts, olderThanMs);
      change(call, (mayGoOn) => {
        const removed = pruned(mayGoOn);
        if (removed === UNFINISHED) return removed;
        return { removed, kept: keptInDoubt(parts, olderThanMs) || undefined };
      });
    },
  };
}

/** One job, or a list of them. Throws InvalidParameter where both are given, or neither. */
function named({ id, ids, array }: { id?: number; ids?: number[]; array: boolean }): Named {
  if ((id === undefined) === (ids === undefined)) throw new InvalidParameter(ids ? "id" : "ids");
  return { ids: ids ?? [id!], wholeArrays: array, isList: ids !== undefined };
}

function failWith(call: Call, { error, ...parameters }: Refusal): void {
  call.fail(`${INTERFACE_NAME}.${error}`, parameters);
}
