/** Has a reactor that waits look again, whether it is to go on. */

import { bytesOf, libc, must, O_CLOEXEC } from "../../src/host/libc.ts";
import { type Reactor, READABLE } from "../../src/host/reactor.ts";

export function wakeUp(reactor: Reactor): void {
  const ends = new Int32Array(2);
  must("pipe2", libc.pipe2(bytesOf(ends), O_CLOEXEC));
  const [reading, writing] = [ends[0]!, ends[1]!];
  reactor.add(reading, READABLE, () => {
    reactor.remove(reading);
    libc.close(reading);
  });
  libc.close(writing);
}
