/** How far a shim was when it was killed, by the calls that it had made (src/keeper/shim.c). */

/**
 * unclaimed: nobody will know of it; claimed: no leader can have executed anything; led: its leader's
 * identity is on disk; worded: its leader may execute the command; recorded: the end is on disk.
 */
export type ShimStage = "unclaimed" | "claimed" | "led" | "worded" | "recorded";

/** `made`: how many calls of each name. */
export function shimStage(made: ReadonlyMap<string, number>): ShimStage {
  const times = (name: string) => made.get(name) ?? 0;
  if (times("linkat") === 0) return "unclaimed";
  // The first is the claim, the second the identity, the third the exit record.
  const writes = times("write");
  if (writes < 2) return "claimed";
  // The first is the word to its leader: news comes after it.
  if (times("sendto") === 0) return "led";
  return writes < 3 ? "worded" : "recorded";
}
