/** Signals by name and number, as Linux has them on x86_64 and aarch64 (signal(7)). */

const NAMES = [
  ..."HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT".split(" "),
  ..."CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(" "),
];
const ALIASES: Record<string, string> = { CLD: "CHLD", IOT: "ABRT", POLL: "IO", UNUSED: "SYS" };
/** For C programs: the two below are the C library's own. */
const RTMIN = 34, RTMAX = 64;

/**
 * A signal by its number from 1 to 64, or its name with or without SIG, in capitals or not: of those
 * for real time RTMIN, RTMIN+n, RTMAX-n or RTMAX. Undefined when there is none such.
 */
export function signalNumber(text: string): number | undefined {
  const number = /^\d+$/.test(text)
    ? Number(text)
    : numberOf(text.toUpperCase().replace(/^SIG/, ""));
  return number !== undefined && number >= 1 && number <= RTMAX ? number : undefined;
}

/** `SIGKILL`, `SIGRTMIN+3`; undefined for a number without a name. */
export function signalName(number: number): string | undefined {
  const name = number > NAMES.length ? realTimeName(number) : NAMES[number - 1];
  return name && `SIG${name}`;
}

function numberOf(name: string): number | undefined {
  const at = NAMES.indexOf(ALIASES[name] ?? name);
  if (at >= 0) return at + 1;
  const [, base, distance = "0"] = /^(RTMIN(?=$|\+)|RTMAX(?=$|-))(?:[+-](\d+))?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const number = base === "RTMIN" ? RTMIN + Number(distance) : RTMAX - Number(distance);
  return number >= RTMIN ? number : undefined;
}

/** From the nearer end, as shells do. */
function realTimeName(number: number): string | undefined {
  if (number < RTMIN || number > RTMAX) return undefined;
  const [above, below] = [number - RTMIN, RTMAX - number];
  if (above <= below) return above === 0 ? "RTMIN" : `RTMIN+${above}`;
  return below === 0 ? "RTMAX" : `RTMAX-${below}`;
}
