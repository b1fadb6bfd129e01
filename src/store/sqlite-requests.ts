import type { Principal } from "../chat/session.ts";
import type { RequestKey } from "../chat/store.ts";
import type { Connection } from "../sqlite/connection.ts";
import { type RequestKind, requireLive, requireSameUse, type UsedKey } from "./request-key.ts";

type KeyRow = {
  kind: RequestKind;
  session_id: string;
  turn_id: string;
  fingerprint: string;
  live: number;
};

/** What was made under the key, if it was used; throws as requireSameUse does. */
export function findUse(
  connection: Connection,
  principal: Principal,
  kind: RequestKind,
  key: RequestKey | undefined,
): { sessionId: string; turnId: string } | undefined {
  const used = key && findKey(connection, principal, key.requestId);
  if (!key || !used) return undefined;
  requireSameUse(used, kind, key);
  const { sessionId, turnId } = used;
  return { sessionId, turnId };
}

/** To be called in the transaction that makes what the key names. */
export function addUse(
  connection: Connection,
  principal: Principal,
  kind: RequestKind,
  { requestId, fingerprint }: RequestKey,
  made: { sessionId: string; turnId: string; createdAt: number },
): void {
  connection.run(
    `INSERT INTO request_keys (principal, request_id, kind, session_id, turn_id, fingerprint, created_at)
     VALUES (:principal, :requestId, :kind, :sessionId, :turnId, :fingerprint, :createdAt)`,
    { principal, requestId, kind, fingerprint, ...made },
  );
}

export function findRequest(
  connection: Connection,
  { principal, requestKey }: { principal: Principal; requestKey: RequestKey },
): { turnId: string; sessionId: string } | undefined {
  return findUse(connection, principal, "turn", requestKey);
}

export function findTurnByRequestId(
  connection: Connection,
  { principal, requestId }: { principal: Principal; requestId: string },
): { turnId: string; sessionId: string } | undefined {
  const used = findKey(connection, principal, requestId);
  if (used?.kind !== "turn") return undefined;
  requireLive(used);
  const { sessionId, turnId } = used;
  return { sessionId, turnId };
}

function findKey(
  connection: Connection,
  principal: Principal,
  requestId: string,
): UsedKey | undefined {
  const row = connection.get<KeyRow>(
    `SELECT kind, session_id, turn_id, fingerprint, EXISTS (
       SELECT 1 FROM sessions
       WHERE sessions.session_id = request_keys.session_id AND deleted_at IS NULL
     ) AS live
     FROM request_keys WHERE principal = :principal AND request_id = :requestId`,
    { principal, requestId },
  );
  if (row === undefined) return undefined;
  const { kind, session_id: sessionId, turn_id: turnId, fingerprint } = row;
  return { kind, sessionId, turnId, fingerprint, isLive: row.live !== 0 };
}
