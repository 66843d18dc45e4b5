/**
 * The jobs of the soak: what each runs, what it writes and how it ends when nobody interferes. Every
 * job that executes anything first appends its id to the file $RAN.
 */

import type { Spec } from "../src/varlink/interface.ts";
import type { Random } from "./random.ts";

export interface Plan {
  readonly kind: Kind;
  readonly key: string;
  readonly spec: Spec;
  /** How it may end by itself, as `outcomeOf` writes it. */
  readonly own: readonly string[];
  /** How many numbered lines it writes when it gets to its end. */
  readonly lines: number;
}

/** All that a job writes when it gets to its end. */
export function outputOf({ lines }: Plan): string {
  return Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join("");
}

const WEIGHTS = {
  quick: 20,
  sleep: 20,
  count: 15,
  burst: 5,
  signal: 6,
  leftover: 5,
  stubbornLeftover: 2,
  forks: 3,
  chain: 2,
  timeout: 2,
  stubborn: 2,
  refused: 2,
};
type Kind = keyof typeof WEIGHTS;

const SIGNALS = { HUP: 1, INT: 2, KILL: 9, USR1: 10, SEGV: 11, PIPE: 13, TERM: 15 };

interface Work {
  readonly script: string;
  readonly own: readonly string[];
  readonly lines?: number;
  readonly spec?: Partial<Spec>;
}

/** `live`: jobs that have not ended, which the new one may follow. */
export function planJob(random: Random, number: number, ran: string, live: number[]): Plan {
  const kind = random.weighted(WEIGHTS);
  const { script, own, lines = 0, spec } = work(kind, random);
  const key = `job ${number}`;
  const after = random.oneIn(6) && live.length > 0 ? [random.pick(live), random.pick(live)] : [];
  return {
    kind,
    key,
    own,
    lines,
    spec: {
      command: kind === "refused"
        ? ["no-such-command"]
        : ["sh", "-c", `echo $HOLDFAST_JOB_ID >> "$RAN"; ${script}`],
      key,
      name: `${kind}-${number}`,
      environment: { RAN: ran },
      cpus: random.oneIn(8) ? random.between(2, 4) : 1,
      priority: random.oneIn(4) ? random.between(-2, 5) : 0,
      grace: 1,
      ...(after.length > 0 ? { after: [...new Set(after)] } : {}),
      ...spec,
    },
  };
}

/** A job that does nothing, before all others. */
export function planProbe(number: number, ran: string): Plan {
  const key = `probe ${number}`;
  const command = ["sh", "-c", 'echo $HOLDFAST_JOB_ID >> "$RAN"'];
  const spec = { command, key, name: "probe", environment: { RAN: ran }, priority: 9, cpus: 1 };
  return { kind: "quick", key, own: [exited(0)], lines: 0, spec };
}

function work(kind: Kind, random: Random): Work {
  const code = random.oneIn(2) ? 0 : random.between(1, 128);
  const own = [exited(code)];
  const seconds = (most: number) => (random.next() * most).toFixed(2);
  switch (kind) {
    case "quick":
      return { script: `exit ${code}`, own };
    case "sleep":
      return { script: `sleep ${seconds(3)}; exit ${code}`, own };
    case "count": {
      const lines = random.between(5, 60), pause = seconds(0.15);
      return { script: `${count(lines, `sleep ${pause}`)} exit ${code}`, own, lines };
    }
    case "burst": {
      const lines = random.between(1000, 10_000);
      return { script: `${count(lines, ":")} exit ${code}`, own, lines };
    }
    case "signal": {
      const [name, signal] = random.pick(Object.entries(SIGNALS));
      return { script: `sleep ${seconds(1)}; kill -${name} $$; sleep 1000`, own: [killed(signal)] };
    }
    case "leftover":
      return { script: `setsid sleep 1000 & exit ${code}`, own };
    case "stubbornLeftover":
      return {
        script: `(trap '' TERM; exec setsid sleep 1000) & sleep ${seconds(0.3)}; exit ${code}`,
        own,
      };
    case "forks": {
      const daemon = `(setsid sh -c '(sleep 1000 &); sleep 0.05' &);`;
      return {
        script: `${daemon.repeat(random.between(1, 3))} sleep ${seconds(1)}; exit ${code}`,
        own,
      };
    }
    case "chain":
      // A process that is never the same for long.
      return { script: `f() { sleep 0.1; f & }; f & sleep ${seconds(1)}; exit ${code}`, own };
    case "timeout":
      return { script: "exec sleep 1000", own: timeouts(), spec: { timeout: 1 } };
    case "stubborn":
      return {
        script: "trap '' TERM; while :; do sleep 0.2; done",
        own: timeouts(),
        spec: { timeout: 1 },
      };
    case "refused":
      return { script: "exit 0", own: ["FAILED startFailed -"] };
  }
}

function count(lines: number, between: string): string {
  return `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo $i; ${between}; done;`;
}

function exited(code: number): string {
  return `${code === 0 ? "COMPLETED" : "FAILED"} exit ${code}:0`;
}

function killed(signal: number): string {
  return `FAILED signal 0:${signal}`;
}

/** SIGKILL too: a supervisor that comes back after the grace period asks no more. */
function timeouts(): string[] {
  return ["FAILED timeout 0:15", "FAILED timeout 0:9"];
}
