/** What is known of an attempt from what its shim has told: facts, each once and for ever. Pure. */

import type { ProcessIdentity } from "../job/identity.ts";
import type { Usage } from "../job/job.ts";
import type { LeaderEnd, Refusal, ShimNews } from "../ports.ts";

export interface Told {
  readonly shim?: ProcessIdentity;
  readonly isClaimed?: true;
  readonly leader?: ProcessIdentity;
  /** Wall clock, ms since 1970. */
  readonly startedAtMs?: number;
  readonly isExecuted?: true;
  readonly refusal?: Refusal;
  readonly end?: LeaderEnd;
  /** What was used in all; told when nobody of the job is left. */
  readonly finalUsage?: Usage;
  /** Nothing more will be told. */
  readonly isSilent?: true;
}

export const NOTHING_TOLD: Told = {};

export function withNews(told: Told, news: ShimNews): Told {
  switch (news.kind) {
    case "forked":
      return { ...told, shim: news.shim };
    case "notForked":
      return { ...told, refusal: news.refusal, isSilent: true };
    case "claimed":
      return { ...told, shim: news.shim, isClaimed: true };
    case "claimLost":
      return { ...told, isSilent: true };
    case "silent":
      return { ...told, isSilent: true };
  }
  // Only who has claimed it tells these, whether that was heard or not.
  const claimed = { ...told, isClaimed: true } as const;
  switch (news.kind) {
    case "led":
      return { ...claimed, leader: news.leader, startedAtMs: news.atMs };
    case "executed":
      return { ...claimed, isExecuted: true };
    case "refused":
      return { ...claimed, refusal: news.refusal };
    case "ended":
      return { ...claimed, end: news.end };
    case "empty":
      return { ...claimed, finalUsage: news.usage };
  }
}
