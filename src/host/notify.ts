/** Tells systemd how we are: the sd_notify protocol (sd_notify(3)), one datagram a message. */

import { errno, errorText, lastErrno, libc, must, SystemError } from "./libc.ts";
import { pollOut } from "./outlet.ts";
import { AF_UNIX, unixAddress } from "./unix_socket.ts";

const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000, MSG_NOSIGNAL = 0x4000;

/**
 * Does nothing where nobody asked to be told. A message that finds no room is sent when there is some,
 * and nobody waits for that. `refused` is called with why one cannot be sent at all.
 */
export function notify(message: string, refused: (socket: string, why: string) => void): void {
  const path = Deno.env.get("NOTIFY_SOCKET");
  if (!path) return;
  send(path, message).catch((error) =>
    refused(path, error instanceof SystemError ? errorText(error.errno) : String(error))
  );
}

/**
 * Within how many ms it wants to hear `WATCHDOG=1` again and again; undefined where it does not
 * (sd_watchdog_enabled(3)).
 */
export function watchdogMs(): number | undefined {
  const forWhom = Deno.env.get("WATCHDOG_PID");
  if (forWhom !== undefined && Number(forWhom) !== Deno.pid) return undefined;
  const microseconds = Number(Deno.env.get("WATCHDOG_USEC"));
  return microseconds > 0 ? microseconds / 1000 : undefined;
}

/** Once without waiting, before anything else runs. */
async function send(path: string, message: string): Promise<void> {
  const name = new TextEncoder().encode(path);
  if (name[0] === "@".charCodeAt(0)) name[0] = 0; // an abstract socket
  const address = unixAddress(name);
  const bytes = new TextEncoder().encode(message);
  const fd = must("socket", libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0));
  try {
    // Connected, it can tell when the other's queue has room.
    must(`connect ${path}`, libc.connect(fd, address, address.length));
    const room = pollOut(fd);
    while (libc.sendto(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, null, 0) < 0n) {
      const code = lastErrno();
      if (code !== errno.EAGAIN) throw new SystemError(`send ${path}`, code);
      await libc.poll_aside(room, 1n, -1);
    }
  } finally {
    libc.close(fd);
  }
}
