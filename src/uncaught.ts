/**
 * The one place for errors that nobody has caught: the runtime would print its stack and end. Who runs
 * says what is to be done with them.
 */

type Handler = (error: unknown) => void;

let handler: Handler | undefined;

/** From now on `handle` gets them; what was said before counts no more. */
export function onUncaught(handle: Handler): void {
  if (!handler) {
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      handler!(event.error);
    });
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      handler!(event.reason);
    });
  }
  handler = handle;
}
