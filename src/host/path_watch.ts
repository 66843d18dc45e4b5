/**
 * Tells when a path may lead elsewhere than before: when what it leads through is removed, renamed or
 * replaced (inotify(7)), or a mount comes or goes (proc_pid_mounts(5)). Nothing wakes while nothing of
 * that happens. It is a hint: whoever gets it looks.
 */

import { dirname, resolve } from "node:path";
import { cString, libc, must, O_CLOEXEC, O_NONBLOCK } from "./libc.ts";
import { PRIORITY, type Reactor, READABLE } from "./reactor.ts";

const IN_ATTRIB = 0x4, IN_MOVED_FROM = 0x40, IN_MOVED_TO = 0x80, IN_CREATE = 0x100;
const IN_DELETE = 0x200, IN_DELETE_SELF = 0x400, IN_MOVE_SELF = 0x800;
const IN_DONT_FOLLOW = 0x2000000, IN_MASK_ADD = 0x20000000;
const ITSELF = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
const ENTRIES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
const READ_BYTES = 1 << 16;
/** Of symbolic links, as the kernel has it (path_resolution(7)). */
const MOST_LINKS = 40;

export class PathWatch {
  #inotify?: number;
  #mounts?: number;

  /** `directory`: whose entries count too. */
  constructor(
    private readonly reactor: Reactor,
    private readonly directory: string,
    private readonly hint: () => void,
  ) {}

  /** Watches what the path leads through now. False where the kernel cannot tell of all. */
  arm(): boolean {
    this.#closeInotify();
    try {
      this.#mounts ??= this.#watchMounts();
      return this.#watchPath();
    } catch {
      // Out of descriptors, instances or watches.
      return false;
    }
  }

  stop(): void {
    this.#closeInotify();
    this.#mounts = this.#close(this.#mounts);
  }

  #watchPath(): boolean {
    const fd = must("inotify_init1", libc.inotify_init1(O_CLOEXEC | O_NONBLOCK));
    this.#inotify = fd;
    const watch = (path: string, mask: number) =>
      libc.inotify_add_watch(fd, cString(path), mask | IN_MASK_ADD) >= 0;
    for (const path of waypoints(this.directory)) watch(path, ITSELF | IN_DONT_FOLLOW);
    // Of what is missing, where it would have to be made.
    let deepest = this.directory;
    while (!watch(`${deepest}/.`, ITSELF | ENTRIES) && deepest !== "/") deepest = dirname(deepest);
    const buffer = new Uint8Array(READ_BYTES);
    this.reactor.add(fd, READABLE, () => {
      while (libc.read(fd, buffer, BigInt(buffer.length)) > 0n);
      this.hint();
    });
    // One that we may not read cannot be watched.
    return deepest === this.directory || !isThere(this.directory);
  }

  #watchMounts(): number {
    const path = "/proc/self/mountinfo";
    const fd = must(`open ${path}`, libc.open(cString(path), O_CLOEXEC, 0));
    this.reactor.add(fd, PRIORITY, () => this.hint());
    return fd;
  }

  #closeInotify(): void {
    this.#inotify = this.#close(this.#inotify);
  }

  #close(fd: number | undefined): undefined {
    if (fd === undefined) return;
    this.reactor.remove(fd);
    libc.close(fd);
  }
}

/** All that an absolute path leads through, links and their targets too, as far as it exists. */
export function waypoints(path: string): string[] {
  const found = new Set<string>();
  let links = 0;
  const walk = (path: string) => {
    const parts = path.split("/").filter((part) => part !== "");
    for (let count = 1; count <= parts.length; count++) {
      const way = `/${parts.slice(0, count).join("/")}`;
      if (found.has(way)) continue;
      found.add(way);
      const target = linkAt(way);
      if (target !== undefined && links++ < MOST_LINKS) walk(resolve(dirname(way), target));
    }
  };
  walk(path);
  return [...found];
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
