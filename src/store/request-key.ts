import { sessionNotFound } from "../chat/errors.ts";
import type { RequestKey } from "../chat/store.ts";
import { requestIdReused } from "./errors.ts";

/** What a key was used for; one key is good for one of them. */
export type RequestKind = "turn" | "session" | "fork";

/** How long a key lives past its session's deletion, milliseconds (DESIGN section 2, rule 7). */
export const keyLifetimeMs = 24 * 60 * 60 * 1_000;

/** A key that was used. */
export type UsedKey = {
  kind: RequestKind;
  sessionId: string;
  /** Empty where it made a session alone. */
  turnId: string;
  fingerprint: string;
  /** Its session is there. */
  isLive: boolean;
};

/**
 * That a key found is used again for the same. Throws `already_exists`/REQUEST_ID_REUSED, and `not_found`
 * where the session is deleted.
 */
export function requireSameUse(used: UsedKey, kind: RequestKind, key: RequestKey): void {
  if (used.kind !== kind || used.fingerprint !== key.fingerprint) {
    throw requestIdReused(key.requestId);
  }
  requireLive(used);
}

/** Throws `not_found` where the key's session is deleted. */
export function requireLive({ isLive, sessionId }: UsedKey): void {
  if (!isLive) throw sessionNotFound(sessionId);
}
