/** Reads what a keeper or a shim tells, as src/keeper/news.h describes it. */

import { fromWaitStatus } from "../job/exit_status.ts";
import type { HearShim, Introduction, ShimNews } from "../ports.ts";
import { usageOf } from "./run_records.ts";
import { parseAbout, refusalOf } from "./start_refusal.ts";

/** More than one message holds: all facts there are, and two paths. */
export const NEWS_BYTES = 16 * 1024;
const HEADER_BYTES = 80;

/** In the order of `enum news_kind`. */
const KINDS = [
  "none",
  "forked",
  "notForked",
  "claimed",
  "claimLost",
  "led",
  "executed",
  "refused",
  "ended",
  "empty",
  "introduced",
] as const;

const decoder = new TextDecoder();

/**
 * Hands on what one message tells, in its order. `view` and `bytes` show the same buffer, `length` of it
 * received; what is no news is passed over.
 */
export function readNews(
  view: DataView,
  bytes: Uint8Array<ArrayBuffer>,
  length: number,
  hear: HearShim,
): void {
  for (let at = 0; at + HEADER_BYTES <= length;) {
    const end = at + HEADER_BYTES + view.getUint32(at + 36, true);
    if (end > length) return;
    const news = parseNews(new DataView(view.buffer, at), bytes.subarray(at + HEADER_BYTES, end));
    if (news) hear(news);
    at = end;
  }
}

function parseNews(view: DataView, text: Uint8Array<ArrayBuffer>): ShimNews | undefined {
  const kind = KINDS[view.getUint32(0, true)];
  switch (kind) {
    case "forked":
    case "claimed":
      return { kind, shim: identityIn(view) };
    case "led":
      return { kind, leader: identityIn(view), atMs: numberIn(view, 16) };
    case "claimLost":
    case "executed":
      return { kind };
    case "notForked":
    case "refused": {
      const [stage, error] = [view.getInt32(28, true), view.getInt32(32, true)];
      const about = parseAbout(decoder.decode(text));
      return { kind, refusal: refusalOf({ stage, error, ...about }) };
    }
    case "ended": {
      const exit = fromWaitStatus(view.getInt32(24, true));
      return { kind, end: { exit, usage: usageIn(view), atMs: numberIn(view, 16) } };
    }
    case "empty":
      return { kind, usage: usageIn(view) };
    default:
      return undefined;
  }
}

/** Undefined when it is none. */
export function parseIntroduction(
  view: DataView,
  bytes: Uint8Array<ArrayBuffer>,
  length: number,
): Omit<Introduction, "shimPid"> | undefined {
  if (length < HEADER_BYTES || KINDS[view.getUint32(0, true)] !== "introduced") return undefined;
  const match = /^(\d+) (\d+) (\S+)$/.exec(
    decoder.decode(bytes.subarray(HEADER_BYTES, length)),
  );
  if (!match) return undefined;
  return { id: Number(match[1]), attempt: Number(match[2]), token: match[3]! };
}

function identityIn(view: DataView) {
  return { pid: view.getInt32(4, true), startTicks: numberIn(view, 8) };
}

function usageIn(view: DataView) {
  const at = (word: number) => numberIn(view, 40 + 8 * word);
  return usageOf(at(0), at(1), at(2), at(3), at(4));
}

function numberIn(view: DataView, at: number): number {
  return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
}
