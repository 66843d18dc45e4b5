/** Where things are: flags first, then the environment, then what fits the user. Pure. */

export interface Surroundings {
  readonly env: (name: string) => string | undefined;
  readonly uid: number;
}

/** Nothing says where: the message names what could. */
export class NoPlace extends Error {
  override name = "NoPlace";
}

export function stateDirectory(given: string | undefined, { env, uid }: Surroundings): string {
  const named = given ?? env("HOLDFAST_STATE_DIR") ?? env("STATE_DIRECTORY");
  if (named) return named;
  if (uid === 0) return "/var/lib/holdfast";
  const home = env("XDG_STATE_HOME") || (env("HOME") && `${env("HOME")}/.local/state`);
  return `${
    home || missing("a state directory", "--state-dir, $HOLDFAST_STATE_DIR or $HOME")
  }/holdfast`;
}

export function runtimeDirectory(given: string | undefined, { env, uid }: Surroundings): string {
  const named = given ?? env("HOLDFAST_RUNTIME_DIR") ?? env("RUNTIME_DIRECTORY");
  if (named) return named;
  if (uid === 0) return "/run/holdfast";
  const base = env("XDG_RUNTIME_DIR");
  const hint = "--runtime-dir, $HOLDFAST_RUNTIME_DIR or $XDG_RUNTIME_DIR";
  return `${base || missing("a runtime directory", hint)}/holdfast`;
}

export function socketPath(
  given: { socket?: string; runtimeDir?: string },
  surroundings: Surroundings,
): string {
  return given.socket ?? surroundings.env("HOLDFAST_SOCKET") ??
    `${runtimeDirectory(given.runtimeDir, surroundings)}/control.sock`;
}

/** The configuration files to look for, the first that exists counts. */
export function configPaths({ env }: Surroundings): string[] {
  const own = env("XDG_CONFIG_HOME") || (env("HOME") && `${env("HOME")}/.config`);
  const paths = own ? [`${own}/holdfast/holdfast.toml`] : [];
  return ["/etc/holdfast/holdfast.toml", ...paths];
}

function missing(what: string, where: string): never {
  throw new NoPlace(`nothing says where to keep ${what}: set ${where}`);
}
