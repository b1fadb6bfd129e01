import { timingSafeEqual } from "node:crypto";
import { hashApiKey, idOfApiKey } from "./api-key.ts";
import type { Identity } from "./authenticator.ts";
import type { KeyFile } from "./key-file.ts";
import { type KeyEntry, principalOfKey, stateOfKey } from "./key-list.ts";
import { unauthenticated } from "./refusal.ts";

/** What an unknown key is compared with: no text has this hash that anybody could find. */
const nobody = Buffer.alloc(32);

/**
 * Accepts or refuses a key: throws ChatError `unauthenticated` unless it is in the file, neither revoked nor
 * expired. The same hash and the same comparison are made for a key that nobody has, so that the time taken tells
 * nothing about ids. The identity's `isValid` follows the file: it asks what was read last.
 */
export function checkKey(text: string, keys: KeyFile, now: () => number): Identity {
  const id = idOfApiKey(text);
  const hash = hashApiKey(text);
  const entry = id === undefined ? undefined : keys.find(id);
  const expected = entry === undefined ? nobody : Buffer.from(entry.sha256, "hex");
  const isSame = timingSafeEqual(hash, expected);
  if (entry === undefined) throw unauthenticated(new Error("there is no such key"));
  if (!isSame) throw unauthenticated(new Error(`this is not the secret of key ${entry.id}`));
  const state = stateOfKey(entry, now());
  if (state !== "active") throw unauthenticated(new Error(`key ${entry.id} is ${state}`));
  const principal = principalOfKey(entry);
  return {
    principal,
    isShared: false,
    rateKey: principal,
    limits: entry.limits ?? {},
    scopes: new Set(entry.scopes),
    method: "key",
    credentialId: entry.id,
    isValid: () => isStillGood(entry, keys.find(entry.id), now()),
  };
}

/** Whether the file, as it is now, still lets this key do what it was accepted for. */
function isStillGood(accepted: KeyEntry, current: KeyEntry | undefined, nowMs: number): boolean {
  return (
    current !== undefined &&
    current.sha256 === accepted.sha256 &&
    principalOfKey(current) === principalOfKey(accepted) &&
    accepted.scopes.every((scope) => current.scopes.includes(scope)) &&
    stateOfKey(current, nowMs) === "active"
  );
}
