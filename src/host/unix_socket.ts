/** Unix stream sockets by FFI, since the runtime's own do not tell who the peer is. Non-blocking. */

import { bytesOf, cString, errno, lastErrno, libc, must, SystemError } from "./libc.ts";

export const AF_UNIX = 1;
const SOCK_STREAM = 1, NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const SOL_SOCKET = 1, SO_PEERCRED = 17, MSG_NOSIGNAL = 0x4000;
const PATH_BYTES = 108, BACKLOG = 512;
const SOCKET_MODE = 0o666;

export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Listener {
  readonly fd: number;
  /** Whether its path leads to it. */
  isReachable(): boolean;
  /** Before it is closed: only then its inode cannot have become another's. */
  removePath(): void;
}

/**
 * Listens at a path, in the place of whatever was there. It is bound under another name and renamed,
 * so that the path leads to a listening socket from its first moment and with its right mode: anyone
 * may connect, and is answered by who the kernel says they are. Throws SystemError, or an Error when
 * the path is too long for a socket address.
 */
export function listenUnix(path: string): Listener {
  const temporary = `${path}.${Deno.pid}`;
  const address = addressOf(temporary);
  const fd = must("socket", newSocket());
  let own: Deno.FileInfo;
  try {
    removeLeftover(temporary);
    must(`bind ${temporary}`, libc.bind(fd, address, address.length));
    Deno.chmodSync(temporary, SOCKET_MODE);
    must("listen", libc.listen(fd, BACKLOG));
    own = Deno.lstatSync(temporary);
    Deno.renameSync(temporary, path);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return {
    fd,
    isReachable: () => leadsTo(path, own),
    removePath: () => removeIfStill(path, own),
  };
}

/** Throws an Error when the path is too long. */
export function addressOf(path: string): Uint8Array<ArrayBuffer> {
  const name = cString(path);
  if (name.length > PATH_BYTES) throw new Error(`the socket path ${path} is too long`);
  return unixAddress(name);
}

/** struct sockaddr_un (unix(7)). `name`: a path ended by NUL, or an abstract name, which begins with it. */
export function unixAddress(name: Uint8Array): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}

export function newSocket(): number {
  return libc.socket(AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0);
}

/** A link in its place will do. */
function leadsTo(path: string, own: Deno.FileInfo): boolean {
  try {
    const { dev, ino } = Deno.statSync(path);
    return dev === own.dev && ino === own.ino;
  } catch {
    return false;
  }
}

function removeIfStill(path: string, own: Deno.FileInfo): void {
  try {
    const { dev, ino } = Deno.lstatSync(path);
    if (dev === own.dev && ino === own.ino) Deno.removeSync(path);
  } catch {
    // Somebody else has tidied up.
  }
}

/** One who died before the rename can have had our number: PID 1 always has. */
function removeLeftover(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The next waiting connection; undefined when there is none. Throws SystemError when one cannot be
 * taken, as for want of descriptors or memory.
 */
export function accept(listener: number): number | undefined {
  for (;;) {
    const fd = libc.accept4(listener, null, null, NONBLOCK_CLOEXEC);
    if (fd >= 0) return fd;
    const code = lastErrno();
    if (code === errno.EAGAIN) return undefined;
    if (code !== errno.EINTR && code !== errno.ECONNABORTED) throw new SystemError("accept4", code);
  }
}

/** Who connected, as the kernel saw it then (unix(7)). */
export function peerOf(fd: number): Peer {
  const credentials = new Int32Array(3);
  const length = new Int32Array([12]);
  must(
    "getsockopt",
    libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytesOf(credentials), bytesOf(length)),
  );
  return { pid: credentials[0]!, uid: credentials[1]!, gid: credentials[2]! };
}

/** Bytes received; "end" when the peer has closed or is broken; undefined when there is nothing now. */
export function receive(fd: number, into: Uint8Array<ArrayBuffer>): number | "end" | undefined {
  const count = Number(libc.read(fd, into, BigInt(into.length)));
  if (count > 0) return count;
  if (count === 0) return "end";
  return isTransient(lastErrno()) ? undefined : "end";
}

/** Bytes taken, 0 when the peer must read first; "end" when it is gone. */
export function send(fd: number, bytes: Uint8Array<ArrayBuffer>): number | "end" {
  const count = Number(libc.sendto(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, null, 0));
  if (count >= 0) return count;
  return isTransient(lastErrno()) ? 0 : "end";
}

function isTransient(code: number): boolean {
  return code === errno.EAGAIN || code === errno.EINTR;
}
