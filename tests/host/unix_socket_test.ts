/** Listening in the place of whatever a predecessor has left. */

import { assert } from "../assert.ts";
import { libc } from "../../src/host/libc.ts";
import { listenUnix } from "../../src/host/unix_socket.ts";

Deno.test("a socket that a supervisor of the same pid left half made is no obstacle", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/control.sock`;
  const predecessor = Deno.listen({ transport: "unix", path });
  Deno.renameSync(path, `${path}.${Deno.pid}`);
  predecessor.close();
  assert(Deno.lstatSync(`${path}.${Deno.pid}`).isSocket);
  const listener = listenUnix(path);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } finally {
    libc.close(listener.fd);
    Deno.removeSync(directory, { recursive: true });
  }
});
