/** Which method does what: checks who asks and what for, and passes it on. */

import type { Log } from "../job/log.ts";
import type { Refusal } from "../job/refusal.ts";
import { signalNumber } from "../job/signals.ts";
import { isInvalid } from "../job/spec.ts";
import type { Requests } from "../supervisor/requests.ts";
import type { Answer, Supervisor } from "../supervisor/supervisor.ts";
import type { Clock } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { JobRecord } from "../store/records.ts";
import { INTERFACE_NAME, type NodeStatus } from "./interface.ts";
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

export interface ServiceParts {
  readonly supervisor: Supervisor;
  readonly requests: Requests;
  readonly journal: Journal;
  readonly streams: Streams;
  readonly log: Log;
  readonly clock: Clock;
  readonly uid: number;
  readonly node: () => NodeStatus;
}

type Handlers = { [M in MethodName]: (call: Call, parameters: Parameters<M>) => void };

const STREAMING: readonly MethodName[] = ["Watch", "Logs"];
const SUBMIT = `${INTERFACE_NAME}.Submit`;
const PRUNED_A_TURN = 500;

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

  /** Has it done in the supervisor's next turn and answers when it is on disk. */
  #change(call: Call, decide: () => object, isChange?: boolean): void {
    const respond = (answer: Answer<object>) => {
      if ("value" in answer) call.reply(answer.value);
      else failWith(call, answer.refused);
    };
    this.parts.supervisor.request(decide, respond, isChange);
  }
}

function handlers(
  { supervisor, requests, journal, streams, clock, node }: ServiceParts,
  change: (call: Call, decide: () => object, isChange?: boolean) => void,
): Handlers {
  const tell = (job: JobRecord) => wireJob(job, supervisor.note(job.id));
  const known = (call: Call, id: number, go: (job: JobRecord) => void) => {
    const job = journal.job(id);
    if (job) go(job);
    else failWith(call, { error: "NoSuchJob", id });
  };
  type Decide = () => { job: JobRecord; created?: boolean };
  const changeJob = (call: Call, decide: Decide, isChange?: boolean) =>
    change(
      call,
      () => {
        const { job, ...rest } = decide();
        return { job: tell(job), ...rest };
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
  return {
    Submit(call, { spec: input }) {
      const spec = requests.read(input);
      if (isInvalid(spec)) return failWith(call, { error: "InvalidJob", ...spec });
      changeJob(call, () => requests.submit(spec, call.peer.uid));
    },
    Resubmit: (call, { id }) => changeJob(call, () => requests.resubmit(id, call.peer.uid)),
    Cancel: (call, { id, array }) => changeJob(call, () => requests.cancel(id, array)),
    Hold: (call, { id, array }) => changeJob(call, () => requests.hold(id, array)),
    Release: (call, { id, array }) => changeJob(call, () => requests.release(id, array)),
    Signal(call, { id, signal }) {
      const number = signalNumber(signal);
      if (number === undefined) throw new InvalidParameter("signal");
      // It changes nothing in the journal: a job that fills the disk can be killed.
      changeJob(call, () => requests.signal(id, number), false);
    },
    Status: (call, { id }) =>
      known(call, id, (job) => call.reply({ job: { ...tell(job), ...outlook(id) } })),
    List(call, { limit, ...query }) {
      const jobs = journal.list({ ...query, limit: limit + 1 });
      const page = jobs.slice(0, limit);
      const next = jobs.length > limit ? page.at(-1)!.id : undefined;
      call.reply({ jobs: page.map(tell), next });
    },
    Wait: (call, parameters) =>
      known(call, parameters.id, (job) => streams.wait(call, job, parameters)),
    History: (call, { id }) =>
      known(call, id, () => call.reply({ events: journal.history(id).map(wireEvent) })),
    Watch(call, parameters) {
      if (parameters.id === undefined) streams.watch(call, parameters);
      else known(call, parameters.id, () => streams.watch(call, parameters));
    },
    Logs: (call, parameters) => known(call, parameters.id, () => streams.logs(call, parameters)),
    Node: (call) => call.reply({ node: node() }),
    Drain: (call) => change(call, () => (requests.setDraining(true), { node: node() })),
    Resume: (call) => change(call, () => (requests.setDraining(false), { node: node() })),
    Pools: (call) => call.reply({ pools: supervisor.roster.pools.all() }),
    SetPool: (call, { name, limit, paused }) =>
      change(call, () => ({ pool: supervisor.roster.pools.set(name, { limit, paused }) })),
    RemovePool: (call, { name }) => change(call, () => (supervisor.roster.pools.remove(name), {})),
    Prune(call, { olderThan }) {
      const olderThanMs = olderThan === undefined ? undefined : olderThan * 1000;
      pruneAll(supervisor, () => requests.prune(olderThanMs, PRUNED_A_TURN), (answer) => {
        if (typeof answer === "number") call.reply({ removed: answer });
        else failWith(call, answer);
      });
    },
  };
}

/** Prunes some in each turn, so that others are served in between. */
function pruneAll(
  supervisor: Supervisor,
  prune: () => number,
  done: (answer: number | Refusal) => void,
  before = 0,
): void {
  supervisor.request(prune, (answer) => {
    if ("refused" in answer) return done(answer.refused);
    const removed = before + answer.value;
    if (answer.value < PRUNED_A_TURN) return done(removed);
    setTimeout(() => pruneAll(supervisor, prune, done, removed));
  });
}

function failWith(call: Call, { error, ...parameters }: Refusal): void {
  call.fail(`${INTERFACE_NAME}.${error}`, parameters);
}
