import { readStored, type TextStore, writeStored } from "./stored.ts";

/**
 * Whose credential it is, without what is secret in it: the public id of an API key, or the subject of a JWT
 * (docs/authentication.md). Undefined where that cannot be told. Only true of one that the server has accepted.
 */
export function callerOf(token: string): string | undefined {
  const [, keyId] = /^cw_([0-9a-z]{12})_/.exec(token) ?? [];
  if (keyId !== undefined) return `key:${keyId}`;
  const subject = subjectOf(token);
  return subject === undefined ? undefined : `jwt:${subject}`;
}

function subjectOf(token: string): string | undefined {
  const [, payload, signature] = token.split(".");
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as {
      sub?: unknown;
    };
    return typeof claims.sub === "string" && claims.sub !== "" ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}

const name = "chatwire.caller";

/**
 * Notes in the store that what comes to be in it is this caller's, and tells whose it has been. What is not
 * known to be the same caller's must be forgotten.
 */
export function claimStore(store: TextStore, token: string): "same" | "other" | "nobody" {
  const caller = callerOf(token);
  const before = readStored(store, name);
  writeStored(store, name, caller);
  if (before === undefined) return "nobody";
  return before === caller ? "same" : "other";
}
