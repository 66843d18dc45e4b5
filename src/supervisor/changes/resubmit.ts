/** Resubmit: a new job like an old one, without its key; of a job of an array the whole array. */

import { refuse } from "../../job/refusal.ts";
import type { Decide } from "../loop.ts";
import type { ChangeParts } from "./parts.ts";
import { submit, type Submitted } from "./submit.ts";

export function resubmit(parts: ChangeParts, id: number, uid: number): Decide<Submitted> {
  let again: Decide<Submitted> | undefined;
  return (mayGoOn) => {
    if (!again) {
      const before = parts.journal.job(id) ?? refuse({ error: "NoSuchJob", id });
      const { key: _, ...spec } = before.spec;
      again = submit(parts, spec, uid);
    }
    return again(mayGoOn);
  };
}
