/**
 * What a job's owner asks for: the shape, its defaults and its limits. Whether a directory or a
 * command exists is for those to say who can look.
 */

import * as v from "valibot";
import { MAX_ARRAY_SIZE, parseArray } from "./job_array.ts";
import { type Limits, limitsSchema } from "./limits.ts";

/** exclusive: its CPUs are no other pinned job's; shared: those with the fewest pinned jobs. */
export type Pin = "exclusive" | "shared";

export interface Spec {
  command: string[];
  name?: string;
  key?: string;
  directory?: string;
  environment?: Record<string, string>;
  user?: string;
  cpus?: number;
  /** bytes */
  memory?: number;
  /** s from the start, 0 for none */
  timeout?: number;
  /** s between SIGTERM and SIGKILL */
  grace?: number;
  priority?: number;
  after?: number[];
  /** A pool, whose limit of concurrent jobs holds for it. */
  pool?: string;
  limits?: Limits;
  /** It gets a set of `cpus` CPUs and runs on no other. */
  pin?: Pin;
  /** RFC 3339: it starts no earlier. */
  notBefore?: string;
  /** It waits until it is released. */
  hold?: boolean;
  /** Indexes of a job array, such as "1-100%10". */
  array?: string;
}

/** A spec with its defaults filled in. */
export type FullSpec =
  & Spec
  & Required<Pick<Spec, "cpus" | "memory" | "timeout" | "grace" | "priority" | "after">>;

export interface InvalidField {
  readonly field: string;
  readonly message: string;
}

export const DEFAULT_TIMEOUT_S = 86_400;
export const DEFAULT_GRACE_S = 10;

/** The environment of a job whose owner gave none. */
export const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/",
  LANG: "C.UTF-8",
};

export const MAX_JOB_CPUS = 1_000_000;
const DAYS_S = 86_400;
const MAX_TIMEOUT_S = 3650 * DAYS_S;
const MAX_GRACE_S = DAYS_S;

const text = (max: number) =>
  v.pipe(
    v.string("must be a string"),
    v.maxLength(max, `must have at most ${max} characters`),
    v.regex(/^[^\0]*$/, "must not contain a NUL byte"),
    // What has half a pair of surrogates has no UTF-8, which is what a job is given.
    v.check((text) => text.isWellFormed(), "must be Unicode: it has half a pair of surrogates"),
  );

const filled = (max: number) => v.pipe(text(max), v.minLength(1, "must not be empty"));

const whole = (min: number, max: number) =>
  v.pipe(
    v.number("must be a whole number"),
    v.integer("must be a whole number"),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  );

const MIB = 1 << 20;

/** A time with its zone, as RFC 3339 has it. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

export const poolName = v.pipe(
  v.string("must be a string"),
  v.regex(/^[\w.-]{1,64}$/, "must be letters, digits, dots, dashes and underscores, at most 64"),
);

export function isPoolName(text: string): boolean {
  return v.is(poolName, text);
}

const variable = {
  name: v.pipe(text(MIB), v.regex(/^[^=]+$/, "has a name that is empty or has a =")),
  value: text(MIB),
};

/** Any name and value that execve(2) passes on. Not v.record, which leaves out some names. */
const environment = v.pipe(
  v.custom<Record<string, string>>(
    (given) => typeof given === "object" && given !== null && !Array.isArray(given),
    "must be an object of strings",
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [name, value] of Object.entries(dataset.value)) {
      const wrong = v.safeParse(variable.name, name).issues ??
        v.safeParse(variable.value, value).issues;
      if (wrong) return addIssue({ message: `${wrong[0].message} (at ${name})` });
    }
  }),
);

const schema = v.strictObject(
  {
    command: v.pipe(
      v.array(text(MIB), "must be a list of strings"),
      v.minLength(1, "must not be empty"),
      v.check((words) => words[0] !== "", "must begin with the name of a program"),
    ),
    name: v.optional(v.pipe(filled(200), v.regex(/^[^\n]*$/, "must be one line"))),
    key: v.optional(filled(200)),
    directory: v.optional(
      v.pipe(filled(4095), v.startsWith("/", "must be an absolute path")),
    ),
    environment: v.optional(environment),
    user: v.optional(filled(64)),
    cpus: v.optional(whole(1, MAX_JOB_CPUS), 1),
    memory: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 0),
    timeout: v.optional(whole(0, MAX_TIMEOUT_S)),
    grace: v.optional(whole(0, MAX_GRACE_S), DEFAULT_GRACE_S),
    priority: v.optional(whole(-1_000_000, 1_000_000), 0),
    after: v.optional(
      v.pipe(
        v.array(whole(1, Number.MAX_SAFE_INTEGER), "must be a list of job ids"),
        v.maxLength(MAX_ARRAY_SIZE, `must have at most ${MAX_ARRAY_SIZE} ids`),
        v.transform((ids) => [...new Set(ids)].sort((a, b) => a - b)),
      ),
      [],
    ),
    pool: v.optional(poolName),
    limits: v.optional(
      v.pipe(
        v.custom<object>((given) => !Array.isArray(given), "must be an object of limits"),
        v.transform((given) => withoutNulls(given) as object),
        limitsSchema,
      ),
    ),
    pin: v.optional(v.picklist(["exclusive", "shared"], "must be exclusive or shared")),
    notBefore: v.optional(
      v.pipe(
        v.string("must be a time such as 2026-11-24T18:00:00Z"),
        v.check(
          (text) => TIME.test(text) && !Number.isNaN(Date.parse(text)),
          "must be a time such as 2026-11-24T18:00:00Z",
        ),
      ),
    ),
    hold: v.optional(v.boolean("must be true or false")),
    array: v.optional(
      v.pipe(
        v.string("must be a string such as 1-100%10"),
        v.rawCheck(({ dataset, addIssue }) => {
          const wrong = dataset.typed ? parseArray(dataset.value) : undefined;
          if (typeof wrong === "string") addIssue({ message: wrong });
        }),
      ),
    ),
  },
  (issue) => issue.expected === "never" ? "is not a field of Spec" : "is missing or not an object",
);

/** Checks what a client sent and fills in the defaults. `timeout`: of a job that says none, in s. */
export function readSpec(input: unknown, timeout = DEFAULT_TIMEOUT_S): FullSpec | InvalidField {
  const result = v.safeParse(schema, withoutNulls(input), { abortEarly: true });
  if (result.success) return { timeout, ...result.output } as FullSpec;
  const issue = result.issues[0];
  const path = issue.path?.map((item) => String(item.key)) ?? [];
  return { field: path[0] ?? "spec", message: describe(path.slice(1), issue.message) };
}

export function isInvalid(spec: FullSpec | InvalidField): spec is InvalidField {
  return "field" in spec;
}

/**
 * The first field in which two requests under one key differ; undefined when they ask for the same.
 * Environments are not compared: what a shell hands on differs from call to call.
 */
export function differingField(a: FullSpec, b: FullSpec): keyof Spec | undefined {
  const fields = new Set([...Object.keys(a), ...Object.keys(b)] as (keyof Spec)[]);
  fields.delete("environment");
  return [...fields].find((field) => JSON.stringify(a[field]) !== JSON.stringify(b[field]));
}

function describe(inner: string[], message: string): string {
  return inner.length > 0 ? `${message} (at ${inner.join(".")})` : message;
}

/** Some clients write an absent optional field as null. */
function withoutNulls(input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}
