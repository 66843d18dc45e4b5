/**
 * The keeper's program: compile.sh puts it into the binary; run from source, it is where
 * src/keeper/build.sh has put it.
 */

/** base64; a global that the bundler puts there. */
declare const HOLDFAST_KEEPER: string | undefined;

const BUILT = new URL("../../dist/keeper", import.meta.url);

/** An executable file (elf(5)). Throws when it has not been built. */
export function keeperProgram(): Uint8Array<ArrayBuffer> {
  if (typeof HOLDFAST_KEEPER === "string") return Uint8Array.fromBase64(HOLDFAST_KEEPER);
  try {
    return Deno.readFileSync(BUILT);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("the keeper is not built; run: src/keeper/build.sh dist/keeper");
  }
}
