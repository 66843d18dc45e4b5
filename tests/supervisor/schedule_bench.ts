/**
 * A node of numbers alone: jobs are submitted, started as `schedule` says, and end when they do. It
 * takes note of every reservation that was put off or not kept.
 */

import type { Demand, QueuedJob } from "../../src/job/job.ts";
import { type Amount, Lanes, lastsMs, needOf } from "../../src/supervisor/lanes.ts";
import { type Holding, plus, type Scene, schedule } from "../../src/supervisor/schedule.ts";
import { startOrder } from "../../src/supervisor/start_order.ts";
import { queued } from "./queued.ts";

type Reserved = ReturnType<typeof schedule>["reserved"];

interface Running extends Holding {
  readonly id: number;
  readonly pool?: string;
  readonly realEndMs: number;
}

export class Bench {
  readonly broken: string[] = [];
  readonly #lanes = new Lanes();
  readonly #tookMs = new Map<number, number>();
  readonly #startedAtMs = new Map<number, number>();
  #running: Running[] = [];
  #reserved: Reserved;
  #nowMs = 0;

  constructor(
    private readonly capacity: Amount,
    private readonly limits: Record<string, number>,
  ) {}

  get waiting(): number {
    return this.#lanes.size;
  }

  hasStarted(id: number): boolean {
    return this.#startedAtMs.has(id);
  }

  startedAt(id: number): number | undefined {
    return this.#startedAtMs.get(id);
  }

  queued(): QueuedJob[] {
    return [...this.#lanes].flatMap(({ jobs }) => jobs).sort(startOrder);
  }

  /** `tookMs`: how long it will really run, at most as long as it may. */
  submit(demand: Partial<Demand>, tookMs: number): number {
    const job = queued(this.#tookMs.size + 1, demand, { submittedAtMs: this.#nowMs });
    this.#tookMs.set(job.id, tookMs);
    this.#lanes.add(job);
    // One that comes before it may put it off.
    if (this.#reserved && startOrder(job, this.#reserved.job) < 0) this.#reserved = undefined;
    this.#decide();
    return job.id;
  }

  runUntil(atMs: number): void {
    for (;;) {
      const next = Math.min(...this.#running.map(({ realEndMs }) => realEndMs));
      if (next > atMs || next === Infinity) break;
      this.#nowMs = next;
      this.#running = this.#running.filter(({ realEndMs }) => realEndMs > next);
      this.#decide();
    }
    if (atMs < Infinity) this.#nowMs = atMs;
  }

  scene(): Scene {
    const inPool = (name?: string) => this.#running.filter(({ pool }) => pool === name).length;
    return {
      lanes: this.#lanes,
      capacity: this.capacity,
      used: this.#running.reduce<Amount>(plus, { cpus: 0, memory: 0, pinned: 0 }),
      holdings: [...this.#running].sort((a, b) => a.endsAtMs - b.endsAtMs),
      poolRoom: (name) => this.limits[name]! - inPool(name),
      runningOfArray: () => 0,
      sharedCpus: 0,
      nowMs: this.#nowMs,
    };
  }

  #decide(): void {
    const { starts, reserved } = schedule(this.scene(), 1000);
    for (const job of starts) {
      this.#lanes.remove(job);
      this.#startedAtMs.set(job.id, this.#nowMs);
      this.#running.push({
        ...needOf(job.demand),
        id: job.id,
        pool: job.demand.pool,
        endsAtMs: this.#nowMs + lastsMs(job.demand),
        realEndMs: this.#nowMs + this.#tookMs.get(job.id)!,
      });
    }
    this.#judge(starts, reserved);
  }

  #judge(starts: readonly QueuedJob[], reserved: Reserved): void {
    const before = this.#reserved;
    this.#reserved = reserved;
    const ahead = [...starts, ...reserved ? [reserved.job] : []];
    // One that comes before it, and whose pool was full till now, may put it off.
    if (!before || ahead.some((job) => startOrder(job, before.job) < 0)) return;
    // Not told while no CPU is free.
    if (!this.hasStarted(before.job.id)) this.#reserved ??= before;
    const { job: { id }, atMs } = before;
    if (this.#nowMs > atMs) this.broken.push(`job ${id} is late`);
    if (reserved?.job.id === id && reserved.atMs > atMs) this.broken.push(`job ${id} was put off`);
    if (!this.hasStarted(id) && reserved && reserved.job.id !== id) {
      this.broken.push(`job ${id} was dropped`);
    }
  }
}
