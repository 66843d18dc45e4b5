/** Tells systemd how we are: the sd_notify protocol (sd_notify(3)), one datagram a message. */

import { lastErrno, libc, must, SystemError } from "./libc.ts";
import { AF_UNIX, unixAddress } from "./unix_socket.ts";

const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000, MSG_NOSIGNAL = 0x4000;

/** Does nothing where nobody asked to be told. Throws SystemError when the message cannot be sent. */
export function notify(message: string): void {
  const path = Deno.env.get("NOTIFY_SOCKET");
  if (!path) return;
  const name = new TextEncoder().encode(path);
  if (name[0] === "@".charCodeAt(0)) name[0] = 0; // an abstract socket
  const address = unixAddress(name);
  const bytes = new TextEncoder().encode(message);
  const fd = must("socket", libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
  const sent = libc.sendto(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, address, address.length);
  const code = lastErrno();
  libc.close(fd);
  if (sent < 0) throw new SystemError(`sendto ${path}`, code);
}
