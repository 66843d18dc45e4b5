/** The calls that stay: Wait, Watch and Logs. Each ends with its job, its time or its peer. */

import { Buffer } from "node:buffer";
import type { LogFiles, LogPiece, LogStream } from "../ports.ts";
import type { Journal } from "../store/journal.ts";
import type { EventRecord, JobRecord } from "../store/records.ts";
import type { Parameters } from "./parameters.ts";
import type { Call } from "./connection.ts";
import { INTERFACE_NAME } from "./interface.ts";
import { wireEvent, wireJob } from "./wire.ts";

/** An empty reply now and then tells a client that a silent stream is not a dead one. */
const KEEP_ALIVE_MS = 15_000;
const FOLLOW_MS = 100;
const EVENTS_A_READ = 100;
/** A timer cannot be longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const STREAMS = ["stdout", "stderr"] as const;

type Subscribe = (subscriber: (events: readonly EventRecord[]) => void) => () => void;

export class Streams {
  #waiting = new Map<number, Set<() => void>>();

  constructor(
    private readonly journal: Journal,
    private readonly files: LogFiles,
    private readonly subscribe: Subscribe,
  ) {
    subscribe((events) => {
      for (const { id } of events) {
        for (const look of [...this.#waiting.get(id) ?? []]) look();
      }
    });
  }

  wait(call: Call, job: JobRecord, { timeout }: Parameters<"Wait">): void {
    if (hasEnded(job) || timeout === 0) return call.reply({ job: wireJob(job) });
    const { id } = job;
    const lookers = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, lookers);
    const stop = () => {
      clearTimeout(timer);
      lookers.delete(look);
      if (lookers.size === 0) this.#waiting.delete(id);
    };
    const answer = (now: JobRecord) => {
      stop();
      call.reply({ job: wireJob(now) });
    };
    const look = () => {
      const now = this.journal.job(id);
      if (now && hasEnded(now)) answer(now);
    };
    const delay = Math.min((timeout ?? Infinity) * 1000, LONGEST_TIMER_MS);
    const timer = setTimeout(() => answer(this.journal.job(id) ?? job), delay);
    lookers.add(look);
    call.onGone(stop);
  }

  watch(call: Call, { since, id }: Parameters<"Watch">): void {
    let sequence = since ?? this.journal.lastSequence();
    let isPaused = false;
    const pump = () => {
      while (!isPaused) {
        const events = this.journal.eventsAfter(sequence, id, EVENTS_A_READ);
        for (const event of events) {
          sequence = event.sequence;
          call.reply({ event: wireEvent(event) }, { continues: true });
        }
        if (events.length === 0) return;
        isPaused = call.mustPause;
        if (isPaused) call.whenFree(resume);
      }
    };
    const resume = () => {
      isPaused = false;
      pump();
    };
    const unsubscribe = this.subscribe((events) => {
      if (id === undefined || events.some((event) => event.id === id)) pump();
    });
    const alive = keepAlive(call);
    call.onGone(() => {
      unsubscribe();
      clearInterval(alive);
    });
    pump();
  }

  /** Logs that a job must have, and that are not there. */
  lostLogs(job: JobRecord): LogStream[] | undefined {
    const lost = STREAMS.filter((stream) => this.#isLost(job, stream));
    return lost.length > 0 ? lost : undefined;
  }

  /** The logs of a job that has started were made before its command was executed. */
  #isLost(job: JobRecord | undefined, stream: LogStream): boolean {
    if (job?.startedAtMs === undefined) return false;
    return this.files.isLost(job.id, stream, hasEnded(job) ? undefined : job.pid);
  }

  logs(call: Call, { id, stream, offset, follow }: Parameters<"Logs">): void {
    const readers = (stream ? [stream] : STREAMS).map((name) => {
      return { name, reader: this.files.read(id, name, offset ?? 0) };
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = keepAlive(call);
    const stop = () => {
      clearTimeout(timer);
      clearInterval(alive);
      for (const { reader } of readers) reader.close();
    };
    const pump = () => {
      // Asked before reading: what an ended job has written is all there.
      const job = this.journal.job(id);
      const isLast = !follow || !job || hasEnded(job);
      for (const { name, reader } of readers) {
        for (let piece; (piece = reader.next());) {
          call.reply(wirePiece(name, piece), { continues: true });
          if (call.mustPause) return call.whenFree(pump);
        }
      }
      const lost = readers.filter(({ name, reader }) =>
        this.#isLost(job, name) || reader.isReplaced()
      );
      if (lost.length > 0) {
        stop();
        const [streams, paths] = [lost.map(({ name }) => name), lost.map((l) => l.reader.path)];
        call.fail(`${INTERFACE_NAME}.LogLost`, { id, streams, paths });
      } else if (isLast) {
        stop();
        call.reply({});
      } else timer = setTimeout(pump, FOLLOW_MS);
    };
    call.onGone(stop);
    pump();
  }
}

/** A piece of a log, as the reply says it. */
function wirePiece(stream: LogStream, { offset, bytes, cut }: LogPiece) {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  return { stream, offset, data, cut: cut || undefined };
}

function keepAlive(call: Call) {
  return setInterval(() => {
    if (!call.isFull) call.reply({}, { continues: true });
  }, KEEP_ALIVE_MS);
}

function hasEnded(job: JobRecord): boolean {
  return job.endedAtMs !== undefined;
}
