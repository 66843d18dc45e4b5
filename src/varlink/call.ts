/** Reads one call: a Varlink message with a method, its parameters and nothing unknown. */

import { MalformedMessage, parseMessage } from "./framing.ts";

export interface Request {
  readonly method: string;
  readonly parameters: Record<string, unknown>;
  readonly more: boolean;
}

const KEYS = new Set(["method", "parameters", "oneway", "more", "upgrade"]);

/** What is wrong with it, or the call. */
export function parseCall(bytes: Uint8Array): { request: Request; oneway: boolean } | string {
  let message: Record<string, unknown>;
  try {
    message = parseMessage(bytes);
  } catch (error) {
    if (error instanceof MalformedMessage) return error.message;
    throw error;
  }
  const unknown = Object.keys(message).find((key) => !KEYS.has(key));
  if (unknown !== undefined) return `unknown key "${unknown}" beside method and parameters`;
  const { method, parameters, oneway, more, upgrade } = message;
  if (typeof method !== "string") return "method is not a string";
  if (parameters !== undefined && parameters !== null && !isObject(parameters)) {
    return "parameters is not an object";
  }
  for (const flag of [oneway, more, upgrade]) {
    if (flag !== undefined && flag !== null && typeof flag !== "boolean") {
      return "oneway, more and upgrade are true or false";
    }
  }
  if (upgrade) return "upgrade is not supported";
  const request = { method, parameters: parameters ?? {}, more: more === true };
  return { request, oneway: oneway === true };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
