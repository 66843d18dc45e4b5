/** Why a request is not granted: the errors of the interface, as values. */

import type { State } from "./job.ts";

export type Refusal =
  | { readonly error: "NoSuchJob"; readonly id: number }
  | { readonly error: "InvalidJob"; readonly field: string; readonly message: string }
  | { readonly error: "KeyConflict"; readonly id: number; readonly field: string }
  | { readonly error: "JobEnded"; readonly id: number; readonly state: State }
  | { readonly error: "NotRunning"; readonly id: number; readonly state: State }
  | { readonly error: "NotQueued"; readonly id: number; readonly state: State }
  | { readonly error: "NoSuchPool"; readonly name: string }
  | { readonly error: "PoolInUse"; readonly name: string; readonly jobs: number }
  | { readonly error: "QueueFull"; readonly limit: number }
  | { readonly error: "Draining" }
  | { readonly error: "JournalUnavailable"; readonly message: string };

export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.error);
    this.name = "Refused";
  }
}

export function refuse(refusal: Refusal): never {
  throw new Refused(refusal);
}
