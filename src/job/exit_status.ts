/**
 * How a process ended, as `code:signal`: "7:0" exit code 7, "0:9" killed by signal 9, "-999:0"
 * unknown. Unknown is never 0.
 */

export interface ExitStatus {
  /** 0..255, or -999 when nothing on the machine knows it. */
  readonly code: number;
  /** Number of the signal that ended the process, 0 for none. */
  readonly signal: number;
  /** Whether that left a core file, or would have if one were allowed (wait(2), WCOREDUMP). */
  readonly coreDumped?: true;
}

const CORE_DUMPED = 0x80;
const MAX_CODE = 255, MAX_SIGNAL = 64;

export const UNKNOWN_EXIT: ExitStatus = { code: -999, signal: 0 };

/**
 * Reads what a shell reports in `$?`: 0..128 and 193..255 are exit codes, 129..192 are 128+n for
 * death by signal n (1..64). A job that itself exits with 129..192 cannot be told apart.
 */
export function fromShell(status: number): ExitStatus {
  if (!Number.isInteger(status) || status < 0 || status > 255) return UNKNOWN_EXIT;
  return status > 128 && status <= 192
    ? { code: 0, signal: status - 128 }
    : { code: status, signal: 0 };
}

/** Reads a wait status as the kernel gives it (wait(2)): signal in bits 0..6, core dumped in 7, code in 8..15. */
export function fromWaitStatus(status: number): ExitStatus {
  const exit = { code: (status >> 8) & 0xff, signal: status & 0x7f };
  return status & CORE_DUMPED ? { ...exit, coreDumped: true } : exit;
}

export function formatExit(exit: ExitStatus): string {
  return `${exit.code}:${exit.signal}`;
}

/** Throws on anything that formatExit does not write. */
export function parseExit(text: string): ExitStatus {
  const parts = /^(-999|\d{1,3}):(\d{1,2})$/.exec(text);
  const exit = { code: Number(parts?.[1]), signal: Number(parts?.[2]) };
  if (formatExit(exit) === text && exit.code <= MAX_CODE && exit.signal <= MAX_SIGNAL) return exit;
  throw new Error(`not an exit status: "${text}"`);
}

export function isSuccess(exit: ExitStatus): boolean {
  return exit.code === 0 && exit.signal === 0;
}
