/**
 * What must be so when all jobs have ended: every job accounted for and told as before, everything
 * released, no process, no descriptor and no file left over.
 */

import { DatabaseSync } from "node:sqlite";
import { until } from "../tests/e2e/home.ts";
import type { Job } from "../src/varlink/interface.ts";
import { descriptors } from "./figures.ts";
import type { SoakHome } from "./home.ts";
import { Breach, type Ledger } from "./ledger.ts";

export async function allJobs(home: SoakHome): Promise<Job[]> {
  const all: Job[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const { jobs, next }: { jobs: Job[]; next?: number } = await home.ask("List", {
      after,
      limit: 1000,
    });
    all.push(...jobs);
    after = next;
  }
  return all;
}

/** A supervisor with nothing to do: what it tells and holds. */
export async function checkIdle(home: SoakHome, ledger: Ledger, baseline: string[]): Promise<void> {
  const { node } = await home.ask("Node", {});
  const { running, queued, cpusAllocated, memoryAllocated, degraded } = node;
  const held = { running, queued, cpusAllocated, memoryAllocated, degraded };
  if (running || queued || cpusAllocated || memoryAllocated || degraded) {
    throw new Breach(`nothing runs, and the node says ${JSON.stringify(held)}`);
  }
  await checkJobs(home, ledger);
  await settled("no process is left", () => home.processes().map(String));
  await settled("no exit record is left", () => names(`${home.state}/exits`));
  await settled("no descriptor is left", () => difference(descriptors(home.pid), baseline));
  checkRuns(home, ledger);
}

/** Every job that was acknowledged and not pruned is there, as it was told, and no other. */
async function checkJobs(home: SoakHome, ledger: Ledger): Promise<void> {
  const jobs = await allJobs(home);
  for (const job of jobs) {
    const told = ledger.told.get(job.id);
    if (told === JSON.stringify(job)) continue;
    if (!told) throw new Breach(`nobody knows it: ${JSON.stringify(job)}`, job.id);
    throw new Breach(`told as ${told}, it is now ${JSON.stringify(job)}`, job.id);
  }
  const kept = ledger.kept();
  const listed = new Set(jobs.map(({ id }) => id));
  const lost = kept.filter((id) => !listed.has(id));
  if (lost.length > 0) throw new Breach(`acknowledged and lost: ${lost.join(" ")}`, lost[0]);
  for (const id of kept) {
    const { waited } = ledger.accounts.get(id)!;
    if (waited && waited !== ledger.told.get(id)) {
      throw new Breach(`Wait told another end: ${waited}`, id);
    }
  }
}

function checkRuns(home: SoakHome, ledger: Ledger): void {
  const kept = new Set(ledger.kept());
  const runs = new Set(names(`${home.state}/runs`).map(Number));
  const stray = [...runs].filter((id) => !kept.has(id));
  if (stray.length > 0) throw new Breach(`runs/ of no job: ${stray.join(" ")}`);
  const lost = [...kept].filter((id) =>
    !runs.has(id) && ledger.told.get(id)!.includes('"startedAt"')
  );
  if (lost.length > 0) throw new Breach(`without runs/: ${lost.join(" ")}`, lost[0]);
}

/** After the end of the last supervisor: what it leaves on disk. */
export function checkRemains(home: SoakHome): void {
  const expected = [
    "exits",
    "journal.db",
    "lock",
    "reserve",
    "runs",
    "shims.sock",
    "spare.cut",
  ];
  const stray = difference(names(home.state), expected);
  if (stray.length > 0) throw new Breach(`left in the state directory: ${stray.join(" ")}`);
  // A lock is not removed: another may hold the file by then.
  const places = difference(names(home.runtime), ["control.sock.lock"]);
  if (places.length > 0) throw new Breach(`left in the runtime directory: ${places.join(" ")}`);
  using database = new DatabaseSync(`${home.state}/journal.db`, { readOnly: true });
  const count = (sql: string) => Number(Object.values(database.prepare(sql).get()!)[0]);
  const held = count(
    "SELECT count(*) FROM resource_allocations WHERE released = 0 OR released_time IS NULL",
  );
  if (held > 0) throw new Breach(`${held} allocations are not released`);
  const [check] = Object.values(database.prepare("PRAGMA integrity_check").get()!);
  if (check !== "ok") throw new Breach(`the journal is damaged: ${check}`);
}

async function settled(what: string, left: () => string[]): Promise<void> {
  try {
    await until(what, () => left().length === 0);
  } catch {
    throw new Breach(`not so: ${what}: ${left().join(", ")}`);
  }
}

/** What is in only one of two lists, each as often as it is. */
function difference(some: string[], others: string[]): string[] {
  const left = [...others], extra: string[] = [];
  for (const name of some) {
    const at = left.indexOf(name);
    if (at < 0) extra.push(`+${name}`);
    else left.splice(at, 1);
  }
  return [...extra, ...left.map((name) => `-${name}`)];
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}
