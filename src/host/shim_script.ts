/**
 * The text of the shim: a POSIX sh script that runs one job, outlives the supervisor and records the
 * exit status. It works in the state directory and its arguments are ID CLAIM DIRECTORY CGROUP SETUP COMMAND...
 * SETUP is evaluated right before the command is executed.
 *
 * Contract: the claim is created with O_EXCL before anything else, so the command of one claim runs
 * at most once; `proc` holds the leader's identity before the command can do anything, and before it
 * joins its cgroup (if CGROUP is not empty), where the shim itself never is. systemd removes empty
 * cgroups of a unit that it stops: then it makes its own, or goes without. The exit
 * record is written in one write and counts only when it ends in a newline. Whatever the disk
 * refuses is tried again every second. Dying anywhere leaves either no claim (nothing ran), or a
 * claim and no record (nobody knows).
 */

import type { ProcessIdentity } from "../job/identity.ts";
import type { Claim, ExitRecord } from "../ports.ts";
import { FALLBACK, PROGRAM_FD } from "./session_program.ts";

/** Exit status of a shim whose claim somebody else holds: it has run nothing. */
export const CLAIM_LOST = 97;
/** Exit status of a shim whose run directory is gone: nobody can want to know any more. */
export const RUN_GONE = 98;
/** What the command's place in the exit record holds when `refused` tells why it never ran. */
export const NOT_STARTED = 127;

/** What the subshell is about, by the name that it gives itself (/proc/self/comm). */
export const START_STEPS: Readonly<Record<string, string>> = {
  "holdfast-shim": "preparing its files",
  "hf:directory": "entering its directory",
  "hf:command": "looking its command up",
};

/** Every signal that can be caught, but CHLD and CONT, which hurt nobody. 32 and 33 are the C library's. */
const CATCHABLE = [
  ...range(1, 8),
  ...range(10, 16),
  ...range(20, 31),
  ...range(34, 64),
].join(" ");

/**
 * `hasProgram`: whether PROGRAM_FD is ours that makes a session; where it cannot be executed (any more),
 * `setsid` does. Names begin with _hf_, since a variable that the job's environment has too would be
 * exported to it. A foreground subshell, not `&`, gives the job default signal dispositions (POSIX 2.11) and the
 * shell's own pid in /proc/self/stat.
 */
export function shimScript(
  options: { hasProgram: boolean; setsid: readonly string[]; softFileLimit: number },
): string {
  const words = (words: readonly string[]) => words.map(quote).join(" ");
  const program = `/proc/self/fd/${PROGRAM_FD}`;
  const bySetsid = `set -- ${words(options.setsid)} "$@"`;
  const enterSession = options.hasProgram
    ? `if [ -x ${program} ]; then
    set -- ${program} "$_hf_path" ${words(FALLBACK)} "$@"
  else
    exec ${PROGRAM_FD}<&-
    ${bySetsid}
  fi`
    : bySetsid;
  return `set +e +u +x +v +f
printf holdfast-shim 2>/dev/null >/proc/self/comm
set -C
trap : ${CATCHABLE}
_hf_id=$1 _hf_run=$PWD/runs/$1 _hf_claim=$PWD/runs/$1/$2 _hf_directory=$3 _hf_cgroup=$4
_hf_setup=$5
shift 5
_hf_self() {
  read -r _hf_stat </proc/self/stat
  set -- $_hf_stat
  _hf_who="$1 \${22}" _hf_ticks="\${16} \${17}"
}
_hf_io() {
  while read -r _hf_name _hf_bytes; do
    case $_hf_name in
    read_bytes:) _hf_ticks="$_hf_ticks $_hf_bytes" ;;
    write_bytes:) _hf_ticks="$_hf_ticks $_hf_bytes" && return ;;
    esac
  done </proc/self/io
} 2>/dev/null
_hf_step() { printf "hf:$1" 2>/dev/null >|/proc/self/comm; }
_hf_pause() { sleep 1 2>/dev/null || :; }
_hf_write() {
  until { echo "$2" >|"$1"; } 2>/dev/null; do [ -d "$_hf_run" ] || exit ${RUN_GONE}; _hf_pause; done
}
_hf_refuse() { _hf_write "$_hf_run/refused" "$1"; exit ${NOT_STARTED}; }
_hf_join() {
  [ -f "$_hf_cgroup/cgroup.procs" ] && { echo 0 >|"$_hf_cgroup/cgroup.procs"; } 2>/dev/null
}
_hf_enter() {
  _hf_join && return
  [ ! -d "$_hf_cgroup" ] || return 1
  [ -f "\${_hf_cgroup%/*/*}/cgroup.procs" ] && mkdir -p "$_hf_cgroup" 2>/dev/null
  _hf_join || [ ! -d "$_hf_cgroup" ]
}
_hf_look() {
  case $1 in
  */*)
    _hf_path=$1
    [ -e "$1" ] || _hf_refuse "command not found: $1"
    ;;
  *)
    set -f
    IFS=:
    # The end of a PATH may be an empty word, which splitting would leave out.
    _hf_path=$PATH:
    for _hf_path in $_hf_path; do
      _hf_path=\${_hf_path:-.}/$1
      [ -f "$_hf_path" ] && [ -x "$_hf_path" ] && return
    done
    _hf_refuse "command not found in PATH: $1"
    ;;
  esac
  [ ! -d "$1" ] || _hf_refuse "command is a directory: $1"
  [ -x "$1" ] || _hf_refuse "command is not executable: $1"
}
until { true >"$_hf_claim"; } 2>/dev/null; do
  [ ! -e "$_hf_claim" ] || exit ${CLAIM_LOST}
  [ -d "$_hf_run" ] || exit ${RUN_GONE}
  _hf_pause
done
_hf_self
_hf_write "$_hf_claim" "$_hf_who $HOLDFAST_TOKEN"
(
  _hf_self
  _hf_write "$_hf_run/proc" "$_hf_who"
  { echo 0 >|/proc/self/oom_score_adj; } 2>/dev/null
  until { true >>"$_hf_run/stdout.log" && true >>"$_hf_run/stderr.log"; } 2>/dev/null; do
    [ -d "$_hf_run" ] || exit ${RUN_GONE}
    _hf_pause
  done
  [ -z "$_hf_cgroup" ] || _hf_enter || _hf_refuse "cannot join its cgroup $_hf_cgroup"
  exec >>"$_hf_run/stdout.log" 2>>"$_hf_run/stderr.log"
  _hf_step directory
  cd -- "$_hf_directory" 2>/dev/null || _hf_refuse "cannot enter the directory $_hf_directory"
  ulimit -S -n ${options.softFileLimit} 2>/dev/null
  umask 022
  unset HOLDFAST_SHIM OLDPWD
  _hf_step command
  _hf_look "$1"
  ${enterSession}
  eval "$_hf_setup"
  exec "$@"
)
_hf_status=$?
_hf_self
_hf_io
until { echo "$_hf_status $_hf_ticks" >|"exits/$_hf_id"; } 2>/dev/null; do
  [ -d "$_hf_run" ] || exit ${RUN_GONE}
  _hf_pause
done
`;
}

export const FENCE = "fence\n";

export function parseClaim(text: string): Claim {
  if (text === FENCE) return { kind: "fence" };
  const match = /^(\d+) (\d+) (\S+)\n$/.exec(text);
  if (!match) return { kind: "unsigned" };
  const shim = { pid: Number(match[1]), startTicks: Number(match[2]) };
  return { kind: "signed", shim, token: match[3]! };
}

export function parseProc(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+)\n$/.exec(text);
  return match ? { pid: Number(match[1]), startTicks: Number(match[2]) } : undefined;
}

/**
 * A record without its newline was cut short and does not count. Bytes read and written are left out
 * where the kernel does not count them.
 */
export function parseExitRecord(
  text: string,
): Omit<ExitRecord, "refusal" | "atMs"> | undefined {
  const match = /^(\d{1,3}) (\d+) (\d+)(?: (\d+) (\d+))?\n$/.exec(text);
  if (!match) return undefined;
  const [status, userTicks, systemTicks, readBytes, writtenBytes] = match.slice(1)
    .map((digits) => digits === undefined ? undefined : Number(digits));
  return {
    status: status!,
    userTicks: userTicks!,
    systemTicks: systemTicks!,
    readBytes,
    writtenBytes,
  };
}

/** The file in which attempt n is claimed. */
export function claimName(attempt: number): string {
  return attempt === 1 ? "claim" : `claim.${attempt}`;
}

export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
