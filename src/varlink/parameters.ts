/** What each method takes, checked as the interface says. A null stands for an absent field. */

import * as v from "valibot";
import { poolName } from "../job/spec.ts";

/** Of one call. */
const MAX_IDS = 100_000;

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** Ten years: what is longer is a mistake, and past 2^53 ms it would not be a time. */
const seconds = v.pipe(count, v.maxValue(315_360_000));
const state = v.picklist(["QUEUED", "STARTING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]);

/** One job, or several as one change. */
const named = {
  id: v.optional(id),
  ids: v.optional(v.pipe(v.array(id), v.minLength(1), v.maxLength(MAX_IDS))),
  array: v.optional(v.boolean(), false),
};

const parameters = {
  Submit: v.strictObject({ spec: v.unknown() }),
  Cancel: v.strictObject(named),
  Hold: v.strictObject(named),
  Release: v.strictObject(named),
  Status: v.strictObject({ id }),
  List: v.strictObject({
    states: v.optional(v.array(state)),
    name: v.optional(v.string()),
    after: v.optional(count),
    limit: v.optional(v.pipe(count, v.minValue(1), v.maxValue(1000)), 100),
    array: v.optional(id),
  }),
  Wait: v.strictObject({ id, timeout: v.optional(seconds) }),
  Signal: v.strictObject({ ...named, signal: v.string() }),
  Resubmit: v.strictObject({ id }),
  History: v.strictObject({ id }),
  Watch: v.strictObject({ since: v.optional(count), id: v.optional(id) }),
  Logs: v.pipe(
    v.strictObject({
      id,
      stream: v.optional(v.picklist(["stdout", "stderr"])),
      offset: v.optional(count),
      follow: v.optional(v.boolean(), false),
    }),
    // An offset into two files at once would mean nothing.
    v.forward(
      v.check(({ offset, stream }) => offset === undefined || stream !== undefined),
      ["offset"],
    ),
  ),
  Node: v.strictObject({}),
  Health: v.strictObject({}),
  Drain: v.strictObject({}),
  Resume: v.strictObject({}),
  Pools: v.strictObject({}),
  SetPool: v.strictObject({
    name: poolName,
    limit: v.optional(v.pipe(count, v.maxValue(1_000_000))),
    paused: v.optional(v.boolean()),
  }),
  RemovePool: v.strictObject({ name: v.string() }),
  Prune: v.strictObject({ olderThan: v.optional(seconds) }),
};

export type MethodName = keyof typeof parameters;
export type Parameters<M extends MethodName> = v.InferOutput<typeof parameters[M]>;

export class InvalidParameter extends Error {
  constructor(readonly parameter: string) {
    super(`invalid parameter ${parameter}`);
    this.name = "InvalidParameter";
  }
}

export function isMethod(name: string): name is MethodName {
  return Object.hasOwn(parameters, name);
}

/** Throws InvalidParameter. */
export function readParameters<M extends MethodName>(method: M, input: object): Parameters<M> {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
  const result = v.safeParse(parameters[method], given, { abortEarly: true });
  if (result.success) return result.output as Parameters<M>;
  throw new InvalidParameter(String(result.issues[0].path?.[0]?.key ?? "parameters"));
}
