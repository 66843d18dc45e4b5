/** Looks whether a job could be started as asked, at submission, where that can be known. */

import { DEFAULT_ENVIRONMENT, type FullSpec, type InvalidField } from "../job/spec.ts";
import { cString, errno, errorText, lastErrno, libc } from "./libc.ts";

const F_OK = 0, X_OK = 1;

/** What stands against a job here and now; undefined when nothing does. */
export function cannotRun(spec: FullSpec): InvalidField | undefined {
  const directory = spec.directory ?? "/";
  const lost = cannotEnter(directory);
  if (lost !== undefined) return { field: "directory", message: lost };
  const path = (spec.environment ?? DEFAULT_ENVIRONMENT).PATH ?? DEFAULT_ENVIRONMENT.PATH!;
  const missing = cannotExecute(spec.command[0]!, directory, path);
  return missing === undefined ? undefined : { field: "command", message: missing };
}

/** Why nobody could work in this directory; undefined when it can be entered. */
function cannotEnter(directory: string): string | undefined {
  // The dot makes it fail for what is not a directory.
  if (libc.access(cString(`${directory}/.`), X_OK) === 0) return undefined;
  const code = lastErrno();
  if (code === errno.ENOENT) return `${directory} does not exist`;
  return `${directory} cannot be entered: ${errorText(code)}`;
}

/** Why a command could not be executed in a directory with a PATH; undefined when it is found. */
function cannotExecute(
  command: string,
  directory: string,
  path: string,
): string | undefined {
  if (command.includes("/")) {
    const file = command.startsWith("/") ? command : `${directory}/${command}`;
    if (isExecutable(file)) return undefined;
    if (libc.access(cString(file), F_OK) === 0) return `${file} is not an executable file`;
    const code = lastErrno();
    if (code === errno.ENOENT) return `${file} does not exist`;
    return `${file} cannot be reached: ${errorText(code)}`;
  }
  for (const place of path.split(":")) {
    const folder = place === ""
      ? directory
      : place.startsWith("/")
      ? place
      : `${directory}/${place}`;
    if (isExecutable(`${folder}/${command}`)) return undefined;
  }
  return `${command} is not found in PATH (${path || "empty"})`;
}

/** A regular file with execute permission. With a final slash a file gives ENOTDIR, a directory not. */
function isExecutable(file: string): boolean {
  if (libc.access(cString(file), X_OK) !== 0) return false;
  return libc.access(cString(`${file}/`), F_OK) !== 0;
}
