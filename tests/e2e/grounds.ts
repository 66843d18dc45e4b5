/**
 * What holds jobs together where a test runs: nothing but tokens, sessions and groups, or a cgroup for
 * each, the machine's own or one that is mounted for the test.
 */

import { findCgroups, ownCgroup } from "../../src/host/cgroup_ground.ts";
import { removeCgroup } from "../../src/host/cgroups.ts";
import { IS_ROOT } from "./home.ts";

export interface JobGround extends Disposable {
  readonly name: "no cgroups" | "plain cgroups";
  readonly flags: readonly string[];
  readonly hasCgroups: boolean;
}

export const NO_CGROUPS: JobGround = {
  name: "no cgroups",
  flags: ["--cgroup", "off"],
  hasCgroups: false,
  [Symbol.dispose]: () => {},
};

/** Undefined where no cgroup can be made. */
export const PLAIN_CGROUPS = isOwnWritable() ? own() : isMountable() ? mounted : undefined;

export const GROUNDS: readonly (() => JobGround)[] = [
  () => NO_CGROUPS,
  ...PLAIN_CGROUPS ? [PLAIN_CGROUPS] : [],
];

if (!PLAIN_CGROUPS) console.warn("no cgroup2 can be written here: tests of cgroups are left out");

function own(): () => JobGround {
  return () => ({
    name: "plain cgroups",
    flags: [],
    hasCgroups: true,
    [Symbol.dispose]: () => {},
  });
}

function mounted(): JobGround {
  const directory = mount()!;
  const base = `${directory}/holdfast-test-${crypto.randomUUID()}`;
  Deno.mkdirSync(base);
  return {
    name: "plain cgroups",
    flags: ["--cgroup", base],
    hasCgroups: true,
    [Symbol.dispose]: () => {
      removeCgroup(base);
      unmount(directory);
    },
  };
}

function isOwnWritable(): boolean {
  if (typeof ownCgroup() === "string") return false;
  const state = Deno.makeTempDirSync();
  const { directory } = findCgroups("auto", state);
  if (directory) removeCgroup(directory);
  Deno.removeSync(state);
  return directory !== undefined;
}

function isMountable(): boolean {
  const directory = mount();
  if (directory) unmount(directory);
  return directory !== undefined;
}

function mount(): string | undefined {
  if (!IS_ROOT) return undefined;
  const directory = Deno.makeTempDirSync({ prefix: "holdfast-cgroup2-" });
  const { success } = new Deno.Command("mount", { args: ["-t", "cgroup2", "none", directory] })
    .outputSync();
  if (success) return directory;
  Deno.removeSync(directory);
  return undefined;
}

function unmount(directory: string): void {
  new Deno.Command("umount", { args: ["--lazy", directory] }).outputSync();
  Deno.removeSync(directory);
}
