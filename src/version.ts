/** What this build is: filled in by the bundler, and a placeholder when run from source. */

declare const HOLDFAST_VERSION: string | undefined;
declare const HOLDFAST_COMMIT: string | undefined;

export const version = typeof HOLDFAST_VERSION === "string" ? HOLDFAST_VERSION : "0.0.0-dev";
export const commit = typeof HOLDFAST_COMMIT === "string" ? HOLDFAST_COMMIT : "unknown";
