/**
 * What must hold in every history, checked against what really happened: each job is executed at most
 * once, ends once and truly, is released when nobody of it is left, and no stranger is signalled.
 */

import type { StatementSync } from "node:sqlite";
import { type ExitStatus, formatExit, parseExit } from "../../src/job/exit_status.ts";
import { MS_PER_TICK, UNKNOWN_GROUND as NOWHERE } from "../../src/job/identity.ts";
import { type Columns, mendEvents, mendLargeChanges } from "../../src/recover/mend.ts";
import { mendAllocation } from "../../src/recover/mend_allocation.ts";
import { mendJob } from "../../src/recover/mend_job.ts";
import { type ShimStart, SIGCONT, SIGKILL, SIGUSR1 } from "../../src/ports.ts";
import { NOT_STARTED } from "./disk.ts";
import { canBeFound, type Process } from "./kernel.ts";
import type { Outcome } from "../../src/supervisor/changes/several.ts";
import type { Several } from "./actions.ts";
import type { Plan } from "./scripts.ts";
import { CAPACITY, type Life, RETENTION_MS, type Witness, World } from "./world.ts";

export class Violation extends Error {}

interface Row {
  readonly id: number;
  readonly key: string | null;
  readonly state: string;
  readonly stopping: string | null;
  readonly reason: string | null;
  readonly exit_code: string | null;
  readonly ended_at: number | null;
  readonly cpus: number | null;
  readonly pin: string | null;
  /** JSON */
  readonly cpu_set: string | null;
  readonly released: number | null;
  readonly held: number;
  readonly pool: string | null;
}

/** The one pool of a simulated node. */
export const POOL = "p";

/** What really happened to a job, by its key. */
export interface Fact {
  readonly plan: Plan;
  readonly timeoutMs: number;
  isAcknowledged: boolean;
  isCancelAsked: boolean;
  isSignalled: boolean;
  id?: number;
  runs: number;
  ranInBoot?: number;
  startMs?: number;
  /** How its leader ended, before or after it executed the command. */
  exit?: ExitStatus;
  /** The node has restarted, or somebody has killed a process of it, since it was submitted. */
  isHurt: boolean;
  /** The identity of its leader is, or was, on disk: from then on it may be executed. */
  hasName?: true;
  isRunRemoved?: true;
  /** The supervisor that its exit status has been told, and that alone. */
  toldTo?: Life;
  /** What was decided in that moment may still be that it shall not run. */
  ranWhileLookedAt?: boolean;
  /** A stop that is decided in that moment may still come first. */
  endedWhileLookedAt?: boolean;
  /** It was cancelled before it was started, and that is on disk. */
  mustNotRun?: true;
  /** What its stop found: whether the leader lived then. */
  stoppedAlive?: boolean;
}

/** Those that can be seen. The jobs of an array are named by its key and their index. */
const ROWS = `SELECT jobs.id, IIF(array_index IS NULL, key,
    (SELECT key FROM jobs AS first WHERE first.id = jobs.array_id) || '[' || array_index || ']'
  ) AS key, state, stopping, reason, exit_code, ended_at,
  allocated_cpus AS cpus, released, held, spec ->> 'pin' AS pin, cpu_set,
  json_extract(spec, '$.pool') AS pool
  FROM jobs LEFT JOIN resource_allocations ON job_id = jobs.id
  WHERE NOT EXISTS (SELECT 1 FROM large_changes
    WHERE kind = 'submit' AND jobs.id BETWEEN ids ->> '$[0][0]' AND ids ->> '$[0][1]')
  ORDER BY jobs.id`;
/** To look at all rows after each commit would take half of the time. */
const COMMITS_A_LOOK = 16;
const LIVE = ["QUEUED", "STARTING", "RUNNING"];

/** Of the jobs of a submission. */
function namesOf(key: string, size: number): string[] {
  return size === 0 ? [key] : Array.from({ length: size }, (_, i) => `${key}[${i + 1}]`);
}

export class Truth implements Witness {
  readonly facts = new Map<string, Fact>();
  world!: World;
  readonly #statements = new Map<string, StatementSync>();
  #ended = new Map<number, string>();
  /** When that was first on disk, by a clock that nobody moves. */
  #endedMs = new Map<number, number>();
  /** What was read of ends whose rows had not been written. */
  #readAs = new Map<number, string>();
  #stopping = new Set<number>();
  /** What was read as being cancelled before its row said so. */
  #readAsStopping = new Set<number>();
  #inPool = 0;
  #commits = 0;
  isShuttingDown = false;
  /** Somebody has asked it to forget all ended jobs, and has not been answered. */
  pruning?: Life;
  /** How often jobs ended for which reason. */
  readonly ends = new Map<string, number>();
  /** The first promise that was broken, wherever it was seen. */
  broken?: Violation;

  /** `size`: of the array, 0 for a job alone. */
  submitted(key: string, plan: Plan, timeoutMs: number, size: number): void {
    for (const name of namesOf(key, size)) {
      this.facts.set(name, {
        plan,
        timeoutMs,
        isAcknowledged: false,
        isCancelAsked: false,
        isSignalled: false,
        runs: 0,
        isHurt: false,
      });
    }
  }

  onAcknowledged(key: string, first: number): void {
    const names = [...this.facts.keys()].filter((name) => name.replace(/\[.*/, "") === key);
    names.forEach((name, i) => {
      const fact = this.facts.get(name)!;
      this.#must(fact.id === undefined || fact.id === first + i, `${name} has two jobs`);
      fact.id = first + i;
      fact.isAcknowledged = true;
    });
  }

  onCancelAsked(ids: readonly number[], wholeArrays: boolean): void {
    for (const id of ids) {
      const [row] = this.#all("SELECT array_id FROM jobs WHERE id = ?", id);
      const members = wholeArrays && row?.array_id
        ? this.#all("SELECT id FROM jobs WHERE array_id = ?", Number(row.array_id))
        : [];
      const all = members.length > 0 ? members.map(({ id }) => Number(id)) : [id];
      for (const each of all) {
        const fact = this.ofId(each);
        if (fact) fact.isCancelAsked = true;
      }
    }
  }

  /** What is told of a change is so for every reader from then on. */
  onChanged(what: Several, outcomes: readonly Outcome[]): void {
    for (const { id, state, stopping, held, error } of outcomes) {
      const says = `${what} of ${id} tells ${state} ${stopping} ${held} ${error}`;
      if (error || state === undefined) continue;
      if (what === "cancel") this.#must(!LIVE.includes(state) || state !== "QUEUED", says);
      if (what === "hold") this.#must(state !== "QUEUED" || held, says);
      if (what === "release") this.#must(!held || state !== "QUEUED", says);
    }
  }

  acknowledged(): number[] {
    return [...this.facts.values()].filter((f) => f.isAcknowledged).map(({ id }) => id!);
  }

  ofId(id: number): Fact | undefined {
    return [...this.facts.values()].find((fact) => fact.id === id);
  }

  /** Keys of the submissions that nobody has answered, but those that may be forgotten by now. */
  unacknowledged(): string[] {
    const keyOf = (name: string) => name.replace(/\[.*/, "");
    const forgotten = new Set<string>();
    for (const [name, { id }] of this.facts) {
      if (this.#ageMs(id ?? -1) >= RETENTION_MS) forgotten.add(keyOf(name));
    }
    const open = [...this.facts].filter(([, fact]) => !fact.isAcknowledged);
    return [...new Set(open.map(([name]) => keyOf(name)))].filter((key) => !forgotten.has(key));
  }

  hasEnded(id: number): boolean {
    return this.#ended.has(id);
  }

  hurt(which: (fact: Fact) => boolean = () => true): void {
    for (const fact of this.facts.values()) if (which(fact)) fact.isHurt = true;
  }

  onRunLost(id: number): void {
    this.hurt((fact) => fact.id === id);
    const fact = this.ofId(id);
    if (fact) fact.isRunRemoved = true;
  }

  onAsked({ id, attempt, token }: ShimStart): void {
    const [row] = this.#all(
      "SELECT state, attempts, token FROM jobs JOIN resource_allocations ON job_id = id WHERE id = ?",
      id,
    );
    const { state, attempts, token: journaled } = row!;
    const isSo = state === "STARTING" && attempts === attempt && journaled === token;
    const says =
      `attempt ${attempt} of job ${id} is asked for while attempt ${attempts} is ${state}`;
    this.#must(isSo && !this.world.database.isTransaction, says);
  }

  onLeader(id: number, hasName: boolean): void {
    if (hasName) this.#factOf(id).hasName = true;
  }

  onReaped({ kind, job }: Process): void {
    const { life } = this.world;
    // Of one that has not been taken hold of yet nobody can say whose leader it was.
    const isHeld = life?.greet && kind === "leader" && this.#row(job!)?.state === "RUNNING";
    if (isHeld) this.#factOf(job!).toldTo = life;
  }

  onExec(id: number): void {
    const fact = this.#factOf(id);
    fact.runs++;
    fact.ranWhileLookedAt = this.world.isLooking;
    fact.ranInBoot = this.world.kernel.bootId;
    const leader = this.#members(id).find(({ kind }) => kind === "leader")!;
    fact.startMs = leader.startTicks * MS_PER_TICK;
    this.#must(fact.runs === 1, `job ${id} was executed ${fact.runs} times`);
    this.#must(!fact.mustNotRun, `job ${id} is executed after it was cancelled`);
    const state = this.#row(id)?.state;
    this.#must(state === "STARTING" || state === "RUNNING", `job ${id} is executed while ${state}`);
  }

  onEnded({ kind, job, exit }: Process): void {
    if (kind !== "leader") return;
    const fact = this.#factOf(job!);
    fact.exit = exit;
    fact.endedWhileLookedAt = this.world.isLooking;
  }

  onRecordedWhileLookedAt(id: number): void {
    this.#factOf(id).endedWhileLookedAt = true;
  }

  onSignal(target: Process, signal: number): void {
    const { kind, job, pid } = target;
    // A shim may have been stopped by somebody.
    if (kind === "shim" && signal === SIGCONT) return;
    if (kind === "shim" && signal === SIGUSR1) {
      return this.#must(this.world.life?.greet, `shim ${pid} is called and nobody listens`);
    }
    // Without its run directory nothing says which of those with the token it is.
    const isNameless = kind === "shim" && this.#factOf(job!).isRunRemoved;
    const isOfJob = kind === "leader" || kind === "child" || isNameless;
    this.#must(isOfJob, `signal ${signal} to ${kind} ${pid} of job ${job}`);
    const row = this.#row(job!);
    const fact = this.#factOf(job!);
    const isOver = !this.#members(job!).some((member) => member.kind === "leader");
    const isForbidden = (fact.runs === 0 || fact.ranWhileLookedAt) && signal === SIGKILL;
    const isMeant = row?.stopping || isOver || isForbidden || fact.isSignalled || fact.isRunRemoved;
    this.#must(isMeant, `job ${job} is signalled and nothing in the journal says why`);
  }

  /** Its log goes, and its row next. */
  onRunRemoved(id: number): void {
    if (this.pruning && this.pruning === this.world.life) return;
    const ageMs = this.#ageMs(id);
    this.#must(ageMs >= RETENTION_MS, `job ${id} is pruned ${ageMs} ms after its end`);
  }

  /** As old as it may be taken for once the node has run for a day. */
  #ageMs(id: number): number {
    const { realMs, believedMs } = this.world;
    return realMs + believedMs - (this.#endedMs.get(id) ?? Infinity);
  }

  onFenced(id: number, hadRun: boolean): void {
    const hasRun = this.world.disk.hasRun(id);
    this.#must(hadRun || !hasRun, `the fence of job ${id} has made its run directory`);
  }

  onGreeted(id: number, attempt: number, isHeard: boolean): void {
    const [row] = this.#all("SELECT attempts FROM jobs WHERE id = ? AND state = 'RUNNING'", id);
    const isMissed = !isHeard && !this.world.hadFaults && row?.attempts === attempt;
    this.#must(!isMissed, `the shim of job ${id} reaches us and is not heard`);
  }

  onMistake(what: string): void {
    this.#must(false, `the supervisor says: ${what}`);
  }

  onNeedlessCheck(): void {
    const { processes } = this.world.kernel;
    const inhabited = new Set([...processes.values()].map(({ job }) => job));
    for (const { id, state } of this.#rows()) {
      const isOver = (state === "STARTING" || state === "RUNNING") && !inhabited.has(id);
      this.#must(!isOver, `job ${id} is over and still ${state}: only the regular check finds it`);
    }
  }

  onCommit(): void {
    const rows = this.#rows();
    this.#checkCapacity(rows);
    for (const row of rows) this.#checkRow(row);
    this.#checkReads(rows);
    if (this.#commits++ % COMMITS_A_LOOK === 0) this.#checkSound();
    const ids = new Set(rows.map(({ id }) => id));
    for (const [key, { id, isAcknowledged, isCancelAsked }] of this.facts) {
      if (!isAcknowledged || ids.has(id!)) continue;
      // One that waits may be cancelled and pruned in one turn.
      const mayBePruned = this.#ended.has(id!) || isCancelAsked;
      this.#must(mayBePruned, `job ${id} (${key}) is no longer in the journal`);
    }
  }

  /** A change of many counts for every reader from its commit on, whichever rows are written. */
  #checkReads(rows: readonly Row[]): void {
    const changes = this.#all("SELECT kind, ids FROM large_changes");
    if (changes.length === 0) return;
    const { journal } = this.world.life!.changes;
    for (const { kind, ids } of changes) {
      const ranges: [number, number][] = JSON.parse(String(ids));
      for (const row of rows) {
        const isIn = ranges.some(([first, last]) => first <= row.id && row.id <= last);
        if (!isIn || (kind !== "cancel" && kind !== "dependency")) continue;
        const seen = journal.job(row.id)!;
        this.#must(seen.state !== "QUEUED", `job ${row.id} is read as QUEUED after its ${kind}`);
        const { state } = seen;
        this.#must(
          journal.stateOf(row.id) === state,
          `job ${row.id} is not read as ${state} alone`,
        );
        if (seen.stopping === "cancel" && !row.stopping) this.#readAsStopping.add(row.id);
        const told = `${seen.state} ${seen.reason} ${seen.exitCode ?? null} ${seen.endedAtMs}`;
        if (seen.endedAtMs === undefined || row.state !== "QUEUED") continue;
        this.#factOf(row.id).mustNotRun = true;
        const before = this.#readAs.get(row.id) ?? told;
        this.#must(before === told, `job ${row.id} was read as ${before}, is as ${told}`);
        this.#readAs.set(row.id, told);
      }
    }
  }

  /** A rebuild would change nothing: no row holds what it would take for damage. */
  #checkSound(): void {
    const { database } = this.world;
    const events = Map.groupBy(
      mendEvents(database.prepare("SELECT * FROM events ORDER BY sequence").all()).rows,
      ({ job_id }) => job_id,
    );
    const held: Columns[] = database.prepare("SELECT * FROM resource_allocations").all();
    const allocations = new Map(held.map((row) => [row.job_id, row]));
    const jobs: Columns[] = database.prepare("SELECT * FROM jobs").all();
    const changes = database.prepare("SELECT * FROM large_changes").all();
    const { losses } = mendLargeChanges(changes);
    this.#must(losses.length === 0, `changes look damaged: ${losses}`);
    const here = { ground: NOWHERE, nodeName: "", uid: 0, atMs: 0 };
    for (const columns of jobs) {
      const { id } = columns;
      const job = mendJob(columns, { ...here, events: events.get(id) ?? [] });
      const allocation = allocations.get(id);
      const damaged = [
        ...(job?.damaged ?? ["spec"]),
        ...(allocation ? mendAllocation(allocation, job, undefined, here)?.damaged ?? ["id"] : []),
      ];
      this.#must(
        damaged.length === 0 && !job?.doubt,
        `job ${id} looks damaged: ${damaged} ${job?.doubt}`,
      );
    }
  }

  /** When everything has had its time. */
  checkSettled(): void {
    for (const row of this.#rows()) {
      this.#must(!LIVE.includes(row.state), `job ${row.id} is still ${row.state}`);
      this.#must(row.released !== 0, `job ${row.id} has ended and is not released`);
      this.#must(this.#members(row.id).length === 0, `job ${row.id} has left processes`);
      this.#must(
        !this.world.disk.exitIds().includes(row.id),
        `job ${row.id} has left its exit record`,
      );
      this.#checkEvents(row);
    }
    const left = this.#all("SELECT * FROM large_changes");
    this.#must(left.length === 0, `changes are left: ${JSON.stringify(left)}`);
    this.#checkSound();
    const { cgroups, processes } = this.world.kernel;
    const { process: own } = this.world.life!;
    const keepers = [...processes.values()].filter(({ kind }) => kind === "keeper");
    const isOne = keepers.length <= 1 && keepers.every(({ parent }) => parent === own);
    this.#must(isOne, `keepers are left: ${keepers.map(({ pid }) => pid)}`);
    const shims = [...processes.values()].filter(({ kind }) => kind === "shim");
    this.#must(shims.length === 0, `shims are left: ${shims.map(({ pid }) => pid)}`);
    this.#must(cgroups.size === 0, `cgroups are left: ${[...cgroups]}`);
    const { size: jobs, used: { cpus } } = this.world.life!.supervisor.roster.allocations;
    this.#must(cpus === 0 && jobs === 0, `${cpus} CPUs of ${jobs} jobs are still counted`);
  }

  #checkCapacity(rows: readonly Row[]): void {
    const held = rows.filter(({ state }) => state === "STARTING" || state === "RUNNING");
    const cpus = held.reduce((sum, row) => sum + row.cpus!, 0);
    this.#must(cpus <= CAPACITY.cpus, `${cpus} CPUs are given out`);
    this.#checkPins(held.filter(({ pin }) => pin !== null));
    for (const { id, held: isHeld } of held) this.#must(!isHeld, `job ${id} started while held`);
    const before = this.#inPool;
    this.#inPool = held.filter(({ pool }) => pool === POOL).length;
    if (this.#inPool <= before) return;
    const [row] = this.#all("SELECT * FROM pools WHERE name = ?", POOL);
    const limit = row?.paused ? 0 : row?.job_limit ?? Infinity;
    this.#must(this.#inPool <= Number(limit), `${this.#inPool} jobs of a pool of ${limit} run`);
  }

  /** Each pinned job has its set, and nobody else has a CPU of an exclusive one. */
  #checkPins(pinned: readonly Row[]): void {
    const sets = pinned.map((row) => ({
      ...row,
      set: JSON.parse(row.cpu_set ?? "[]") as number[],
    }));
    for (const { id, pin, cpus, set } of sets) {
      this.#must(set.length === cpus, `job ${id} is pinned to CPUs ${set} and not to ${cpus}`);
      const others = sets.filter((other) => other.id !== id && pin === "exclusive");
      const sharing = others.find((other) => other.set.some((cpu) => set.includes(cpu)));
      this.#must(!sharing, `job ${sharing?.id} has a CPU that job ${id} has for itself`);
    }
  }

  #checkRow(row: Row): void {
    const { id, state, key } = row;
    // The key of an array goes with its first job.
    const fact = this.ofId(id) ?? this.facts.get(key!)!;
    this.#must(fact.id === undefined || fact.id === id, `two jobs with the key ${key}`);
    fact.id = id;
    if (row.stopping && !this.#stopping.has(id)) {
      this.#stopping.add(id);
      const isAsRead = row.stopping === "cancel" || !this.#readAsStopping.has(id);
      this.#must(
        isAsRead,
        `job ${id} was read as being cancelled, and is stopped by ${row.stopping}`,
      );
      const isAlive = this.#members(id).some(({ kind }) => kind === "leader");
      if (isAlive && fact.runs > 0) fact.stoppedAlive = true;
      else if (this.world.disk.recorded(id)) fact.stoppedAlive = false;
    }
    const isEarly = state === "RUNNING" && fact.runs === 0 && !fact.isHurt &&
      this.#members(id).some(({ startStep }) => startStep !== undefined);
    this.#must(!isEarly, `job ${id} is RUNNING and has not executed its command`);
    const told = `${state} ${row.reason} ${row.exit_code} ${row.ended_at}`;
    const before = this.#ended.get(id);
    if (before !== undefined) {
      return this.#must(before === told, `job ${id} was ${before}, is ${told}`);
    }
    if (LIVE.includes(state)) return;
    this.#ended.set(id, told);
    this.#endedMs.set(id, this.world.realMs);
    const read = this.#readAs.get(id) ?? told;
    this.#must(read === told, `job ${id} was read as ${read}, is ${told}`);
    this.#checkEnd(row, fact);
  }

  #checkEnd(row: Row, fact: Fact): void {
    const { id, state, reason, exit_code } = row;
    const says = (what: string) => `job ${id} is ${state} ${reason} ${exit_code}: ${what}`;
    this.ends.set(reason!, (this.ends.get(reason!) ?? 0) + 1);
    const left = this.#members(id).map(({ kind, pid }) => `${kind} ${pid}`);
    this.#must(left.length === 0, says(`${left} still live`));
    this.#must(row.released !== 0, says("not released"));
    this.#checkExit(row, fact, says);
    if (exit_code === null) this.#must(fact.runs === 0, says("but it was executed"));
    const isOwn = reason === "exit" || reason === "signal";
    if (state === "COMPLETED") this.#must(exit_code === "0:0" && reason === "exit", says("?"));
    if (isOwn) {
      this.#must(exit_code !== null && exit_code !== "-999:0", says("own end without a status"));
    }
    if (isOwn) this.#must(fact.stoppedAlive !== true, says("but it was stopped while it lived"));
    if (fact.stoppedAlive === false && !fact.isHurt && !fact.endedWhileLookedAt) {
      this.#must(isOwn, says("but it had ended by itself"));
    }
    const expected: Record<string, boolean> = {
      cancelled: fact.isCancelAsked && state === "CANCELLED",
      timeout: fact.timeoutMs > 0 && state === "FAILED" &&
        (fact.isHurt || this.world.kernel.bootMs - (fact.startMs ?? 0) >= fact.timeoutMs),
      startFailed: state === "FAILED" && (fact.plan.isMissing || fact.isHurt) && fact.runs === 0,
      interrupted: fact.isHurt && exit_code === "-999:0" &&
        (fact.hasName || fact.isRunRemoved) === true,
      reboot: fact.isHurt && fact.ranInBoot !== this.world.kernel.bootId && exit_code === "-999:0",
      dependency: fact.runs === 0 && state === "CANCELLED",
      shutdown: this.isShuttingDown && state === "FAILED",
    };
    this.#must(isOwn || expected[reason!] === true, says("which is not so"));
  }

  #checkExit(row: Row, fact: Fact, says: (what: string) => string): void {
    if (row.exit_code === null) return;
    const recorded = this.world.disk.recorded(row.id);
    if (row.exit_code === "-999:0") {
      // One that has executed nothing is not told apart from one that ends so.
      const isKnown = fact.toldTo === this.world.life && fact.exit?.code !== NOT_STARTED;
      this.#must(!isKnown, says(`but the kernel has told ${fact.exit && formatExit(fact.exit)}`));
      // A shim that nothing names any more may write it after it was looked for.
      return this.#must(
        !recorded || fact.isRunRemoved,
        says(`but its record says ${recorded && formatExit(recorded)}`),
      );
    }
    // The record of a refused start whose reason a power cut has taken.
    if (fact.runs === 0 && row.exit_code === "127:0") {
      return this.#must(fact.isHurt, says("never ran"));
    }
    this.#must(fact.exit !== undefined, says("but its leader has not ended"));
    const exact = formatExit(fact.exit!);
    this.#must(exact === row.exit_code, says(`but it ended ${exact}`));
    parseExit(row.exit_code);
  }

  /** The audit trail leads to the state, by transitions that exist. */
  #checkEvents({ id, state }: Row): void {
    const events = this.#all("SELECT state FROM events WHERE job_id = ? ORDER BY sequence", id)
      .map((event) => String(event.state));
    const allowed: Record<string, string[]> = {
      QUEUED: ["QUEUED", "STARTING", "FAILED", "CANCELLED"],
      STARTING: ["STARTING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"],
      RUNNING: ["RUNNING", "COMPLETED", "FAILED", "CANCELLED"],
    };
    this.#must(events[0] === "QUEUED" && events.at(-1) === state, `job ${id} has events ${events}`);
    for (let i = 1; i < events.length; i++) {
      const isAllowed = allowed[events[i - 1]!]?.includes(events[i]!);
      this.#must(isAllowed, `job ${id} has events ${events}`);
    }
  }

  #members(job: number): Process[] {
    return [...this.world.kernel.processes.values()].filter((process) =>
      process.job === job && process.state === "alive" &&
      (process.kind === "leader" || process.kind === "child") && canBeFound(process)
    );
  }

  #factOf(id: number): Fact {
    const fact = this.ofId(id) ?? this.facts.get(this.#row(id)?.key ?? "");
    this.#must(fact, `job ${id} was never submitted`);
    return fact!;
  }

  #row(id: number): Row | undefined {
    return this.#rows().find((row) => row.id === id);
  }

  #rows(): Row[] {
    return this.#all(ROWS) as unknown as Row[];
  }

  /** Prepared once: most of a history's time would go into that. */
  #all(sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.world.database.prepare(sql));
    return statement.all(...values);
  }

  /** Kept, since the supervisor's code may catch what is thrown. */
  #must(holds: unknown, what: string): void {
    if (holds) return;
    this.broken ??= new Violation(what);
    throw this.broken;
  }
}
