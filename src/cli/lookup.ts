/**
 * Looks whether a job could be started as asked, with the rights and in the process of who submits it:
 * a file system that does not answer keeps him waiting and nobody else. What cannot be known here is
 * no problem: the job's own process finds it out at its start.
 */

import { DEFAULT_ENVIRONMENT, type InvalidField } from "../job/spec.ts";
import type { Spec } from "../varlink/interface.ts";
import { mayExecute } from "./may_execute.ts";
import {
  commandOfEnv,
  elfOf,
  executes,
  HEAD_BYTES,
  machineText,
  type ReadAt,
  type Script,
  scriptOf,
} from "./program_file.ts";

/** So deep may an interpreter be a script itself (exec_binprm of Linux). */
const DEEPEST = 5;
const OTHER_FORMATS = "/proc/sys/fs/binfmt_misc";

/** Where names without a leading slash lead, and those without any. */
interface Place {
  readonly directory: string;
  readonly path: string;
}

/** What stands against a job here and now; undefined when nothing does. */
export function cannotRun(
  { command, directory = "/", environment }: Spec,
): InvalidField | undefined {
  const lost = cannotEnter(directory);
  if (lost !== undefined) return { field: "directory", message: lost };
  const path = (environment ?? DEFAULT_ENVIRONMENT).PATH ?? DEFAULT_ENVIRONMENT.PATH!;
  const missing = cannotExecute(command[0]!, { directory, path });
  return missing === undefined ? undefined : { field: "command", message: missing };
}

/** Why nobody could work in this directory; undefined when it can be entered. */
function cannotEnter(directory: string): string | undefined {
  // The dot makes it fail for what is not a directory.
  if (mayExecute(`${directory}/.`)) return undefined;
  return `${directory} ${unreachable(directory) ?? notADirectory(directory)}`;
}

function notADirectory(path: string): string {
  return Deno.statSync(path).isDirectory ? "may not be entered" : "is not a directory";
}

/** As execvp(3) finds it, and what its file takes; undefined when nothing is missing. */
function cannotExecute(name: string, place: Place, depth = 0): string | undefined {
  if (name.includes("/")) return cannotExecuteFile(name, place, depth);
  let refused: string | undefined;
  for (const word of place.path.split(":")) {
    const file = `${word || "."}/${name}`;
    const found = at(file, place);
    if (mayExecute(found) && isFile(found)) return cannotExecuteFile(file, place, depth);
    if (isFile(found)) refused ??= `; ${file} is not executable`;
  }
  return `${quoted(name)} is not found in PATH (${place.path || "empty"})${refused ?? ""}`;
}

function cannotExecuteFile(name: string, place: Place, depth: number): string | undefined {
  const file = at(name, place);
  const problem = unreachable(file) ?? notExecutable(file);
  if (problem !== undefined) {
    const where = name.startsWith("/") ? "" : ` (in ${place.directory})`;
    return `${quoted(name)} ${problem}${where}`;
  }
  const needed = depth < DEEPEST ? lacks(file, place, depth) : undefined;
  return needed === undefined ? undefined : `${name}: ${needed}`;
}

function notExecutable(file: string): string | undefined {
  const { isFile, isDirectory } = Deno.statSync(file);
  if (isDirectory) return "is a directory";
  if (!isFile) return "is not a regular file";
  return mayExecute(file) ? undefined : "is not executable";
}

/** What the kernel would miss to execute this file; undefined where it may not be read. */
function lacks(file: string, place: Place, depth: number): string | undefined {
  using source = openIfReadable(file);
  if (!source) return undefined;
  const read = (at: number, bytes: number) => readAt(source, at, bytes);
  const script = scriptOf(read(0, HEAD_BYTES));
  return script ? lacksInterpreter(file, script, place, depth) : lacksLoader(read, place);
}

function lacksInterpreter(
  file: string,
  script: Script,
  place: Place,
  depth: number,
): string | undefined {
  const own = cannotExecute(slashed(script.interpreter), place, depth + 1);
  const command = own === undefined ? commandOfEnv(script) : undefined;
  const problem = own ?? (command && cannotExecute(command, place, depth + 1));
  if (!problem) return undefined;
  const name = command ?? script.interpreter;
  if (!name.endsWith("\r")) return `its interpreter ${problem}`;
  const named = `its first line ends with CR LF, as on Windows, and so names ${quoted(name)}`;
  return `${named}, which does not exist; take out the CRs: sed -i 's/\\r$//' ${file}`;
}

function lacksLoader(read: ReadAt, place: Place): string | undefined {
  const elf = elfOf(read);
  if (!elf) return undefined;
  const { arch } = Deno.build;
  if (!executes(arch, elf.machine)) {
    if (hasOtherFormats()) return undefined;
    return `it is a program for ${machineText(elf.machine)}, and this machine is ${arch}`;
  }
  if (!elf.loader) return undefined;
  const loader = new TextDecoder().decode(read(elf.loader.at, elf.loader.bytes)).split("\0")[0]!;
  const problem = cannotExecuteFile(slashed(loader), place, DEEPEST);
  return problem === undefined ? undefined : `its loader ${problem}`;
}

/** Whether the kernel has been told what executes other machines' programs (binfmt_misc). */
function hasOtherFormats(): boolean {
  try {
    return [...Deno.readDirSync(OTHER_FORMATS)].length > 2; // register and status
  } catch {
    return false;
  }
}

/** Why it cannot even be looked at; undefined when it can. */
function unreachable(path: string): string | undefined {
  try {
    Deno.statSync(path);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return linkText(path) ?? "does not exist";
    const message = (error as Error).message.replace(/ \(os error \d+\).*/s, "");
    return `cannot be reached: ${message}`;
  }
}

function linkText(path: string): string | undefined {
  try {
    return `leads to ${Deno.readLinkSync(path)}, which does not exist`;
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function at(name: string, { directory }: Place): string {
  return name.startsWith("/") ? name : `${directory}/${name}`;
}

/** The kernel looks for an interpreter in no PATH. */
function slashed(name: string): string {
  return name.includes("/") ? name : `./${name}`;
}

/** With what does not show. */
function quoted(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : JSON.stringify(name);
}

function openIfReadable(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch {
    return undefined;
  }
}

/** Fewer bytes at the end of the file; none where it cannot be read. */
function readAt(file: Deno.FsFile, at: number, bytes: number): Uint8Array {
  const buffer = new Uint8Array(bytes);
  let length = 0;
  try {
    file.seekSync(at, Deno.SeekMode.Start);
    for (let count; length < bytes && (count = file.readSync(buffer.subarray(length)));) {
      length += count;
    }
  } catch {
    // What was read is what can be known.
  }
  return buffer.subarray(0, length);
}
