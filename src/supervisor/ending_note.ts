/** What is told of a job whose processes take long to end. Pure but for `describe`, which is given. */

interface Ending {
  /** Its own command is no longer there. */
  readonly hasEnded: boolean;
  /** SIGKILL has been sent often enough for anybody who can die of it. */
  readonly survivesKill: boolean;
  readonly describe: (pid: number) => string;
}

const PIDS_TOLD = 10;

export function endingNote(
  pids: readonly number[],
  { hasEnded, survivesKill, describe }: Ending,
): string | undefined {
  const processes = pids.length === 1 ? "1 process" : `${pids.length} processes`;
  const more = pids.length > PIDS_TOLD ? " and more" : "";
  const told = pids.slice(0, PIDS_TOLD);
  if (survivesKill) {
    const who = told.map(describe).join(" ");
    const until = pids.length === 1 ? "it ends" : "they end";
    return `${processes} of it cannot be killed: ${who}${more}; it keeps its resources, and SIGKILL ` +
      `is tried again until ${until}`;
  }
  if (!hasEnded) return undefined;
  const left = pids.length === 1 ? "it left behind is" : "it left behind are";
  return `its command has ended; ${processes} ${left} being ended: ${told.join(" ")}${more}`;
}
