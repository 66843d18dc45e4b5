/** Where a process's cgroup is, by what the kernel tells of mounts. */

import { assertEquals } from "../assert.ts";
import { cgroupDirectory } from "../../src/host/cgroup_ground.ts";

const V1 = "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
const HYBRID = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
const UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const BELOW = "50 23 0:26 /system.slice /mnt/a\\040b rw - cgroup2 none rw";

const rows: [string, string[], string, string | undefined][] = [
  ["unified", [V1, UNIFIED], "/system.slice/h.service", "/sys/fs/cgroup/system.slice/h.service"],
  ["hybrid, in the root", [V1, HYBRID], "/", "/sys/fs/cgroup/unified"],
  ["version 1 alone", [V1], "/", undefined],
  ["a mount of a part that holds it", [BELOW], "/system.slice/h.service", "/mnt/a b/h.service"],
  ["a mount of its own part", [BELOW], "/system.slice", "/mnt/a b"],
  ["a mount of another part", [BELOW], "/system.slice2/h.service", undefined],
  ["the last mount that holds it", [HYBRID, UNIFIED], "/", "/sys/fs/cgroup"],
  ["outside of the cgroup namespace", [UNIFIED], "/../other", undefined],
];

for (const [name, mounts, path, expected] of rows) {
  Deno.test(`cgroup directory: ${name}`, () => {
    assertEquals(cgroupDirectory(`${mounts.join("\n")}\n`, path), expected);
  });
}
