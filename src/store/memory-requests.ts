import type { Principal } from "../chat/session.ts";
import type { RequestKey } from "../chat/store.ts";
import {
  keyLifetimeMs,
  type RequestKind,
  requireLive,
  requireSameUse,
  type UsedKey,
} from "./request-key.ts";

/** The idempotency keys of a memory store. */
export interface MemoryRequests {
  /** What was made under the key; throws as requireSameUse does. */
  find(
    principal: Principal,
    kind: RequestKind,
    key: RequestKey | undefined,
  ): { sessionId: string; turnId: string } | undefined;
  /** The turn that a request_id named. Throws `not_found` where its session is deleted. */
  findTurn(
    principal: Principal,
    requestId: string,
  ): { sessionId: string; turnId: string } | undefined;
  add(
    principal: Principal,
    kind: RequestKind,
    key: RequestKey | undefined,
    made: { sessionId: string; turnId: string },
  ): void;
  sessionDeleted(sessionId: string, deletedAt: number): void;
  /** Forgets the keys whose time has passed. */
  forget(now: number): void;
}

export function createMemoryRequests(): MemoryRequests {
  const keys = new Map<string, UsedKey>();
  const deleted = new Map<string, number>();
  const nameOf = (principal: Principal, requestId: string) =>
    JSON.stringify([principal, requestId]);
  const find = (principal: Principal, requestId: string) => {
    const used = keys.get(nameOf(principal, requestId));
    return used && { ...used, isLive: !deleted.has(used.sessionId) };
  };
  return {
    find(principal, kind, key) {
      const used = key && find(principal, key.requestId);
      if (!key || !used) return undefined;
      requireSameUse(used, kind, key);
      return { sessionId: used.sessionId, turnId: used.turnId };
    },
    findTurn(principal, requestId) {
      const used = find(principal, requestId);
      if (used?.kind !== "turn") return undefined;
      requireLive(used);
      return { sessionId: used.sessionId, turnId: used.turnId };
    },
    add(principal, kind, key, made) {
      if (!key) return;
      const { requestId, fingerprint } = key;
      keys.set(nameOf(principal, requestId), { kind, fingerprint, ...made, isLive: true });
    },
    sessionDeleted: (sessionId, deletedAt) => void deleted.set(sessionId, deletedAt),
    forget(now) {
      for (const [name, { sessionId }] of keys) {
        const deletedAt = deleted.get(sessionId) ?? now;
        if (deletedAt + keyLifetimeMs <= now) keys.delete(name);
      }
      for (const [sessionId, deletedAt] of deleted) {
        if (deletedAt + keyLifetimeMs <= now) deleted.delete(sessionId);
      }
    },
  };
}
