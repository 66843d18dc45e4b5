/** Finds what starts a command in a session of its own: setsid(1), busybox, or else this program. */

/** The verb of ours that does it. */
export const SESSION_VERB = "exec-in-session";

const PLACES = ["/usr/bin", "/bin", "/usr/local/bin", "/sbin", "/usr/sbin"];

/** The words to put before a command; absolute, since the job's PATH is the job's. */
export function findSetsid(): string[] {
  const setsid = findTool("setsid");
  // busybox's takes no "--", and util-linux's needs one before a command that begins with a dash.
  if (setsid) return isBusybox(setsid) ? [setsid] : [setsid, "--"];
  return [Deno.execPath(), SESSION_VERB, "--"];
}

/** Absolute; undefined where there is none. */
export function findTool(name: string): string | undefined {
  return PLACES.map((place) => `${place}/${name}`).find(isFile);
}

function isBusybox(path: string): boolean {
  return Deno.realPathSync(path).endsWith("busybox");
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
