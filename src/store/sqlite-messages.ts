import { sessionNotFound } from "../chat/errors.ts";
import type { FinishReason, Message, MessageState, Role } from "../chat/message.ts";
import type { Principal } from "../chat/session.ts";
import type { Connection, SqlValues } from "../sqlite/connection.ts";
import type { MessageOrder } from "./message-order.ts";
import type { PageKey } from "./page-token.ts";

export type MessageRow = {
  message_id: string;
  session_id: string;
  turn_id: string;
  role: Role;
  state: MessageState;
  ord: MessageOrder;
  parts: string;
  created_at: number;
  request_id: string;
  model: string;
  finish_reason: FinishReason | null;
  usage: string | null;
  error_reason: string | null;
  error_message: string | null;
  sequence: number;
};

export type OrderedMessage = { message: Message; order: MessageOrder };

export function insertMessage(
  connection: Connection,
  principal: Principal,
  message: Message,
  order: MessageOrder,
): void {
  const { messageId, sessionId, turnId, role, state, parts, createdAt, requestId } = message;
  connection.run(
    `INSERT INTO messages (message_id, session_id, principal, turn_id, role, state, ord, parts,
       created_at, request_id, model, finish_reason, usage, error_reason, error_message, sequence)
     VALUES (:messageId, :sessionId, :principal, :turnId, :role, :state, :order, :parts,
       :createdAt, :requestId, :model, :finishReason, :usage, :errorReason, :errorMessage, :sequence)`,
    {
      messageId,
      sessionId,
      principal,
      turnId,
      role,
      state,
      order,
      parts: JSON.stringify(parts),
      createdAt,
      requestId,
      model: message.model,
      finishReason: message.finishReason ?? null,
      usage: message.usage === undefined ? null : JSON.stringify(message.usage),
      errorReason: message.errorReason ?? null,
      errorMessage: message.errorMessage ?? null,
      sequence: message.sequence,
    },
  );
}

export type MessageListArgs = {
  principal: Principal;
  sessionId: string;
  newestFirst: boolean;
  count: number;
  after: PageKey | undefined;
};

/** Up to `count` messages after `after`. Throws `not_found`. */
export function listMessages(
  connection: Connection,
  { principal, sessionId, newestFirst, count, after }: MessageListArgs,
): OrderedMessage[] {
  requireSession(connection, principal, sessionId);
  const [operator, direction] = newestFirst ? ["<", "DESC"] : [">", "ASC"];
  const values: SqlValues = { principal, sessionId, count };
  if (after !== undefined) values.order = currentOrder(connection, principal, sessionId, after);
  return connection
    .all<MessageRow>(
      `SELECT * FROM messages WHERE principal = :principal AND session_id = :sessionId
       ${after === undefined ? "" : `AND ord ${operator} :order`} ORDER BY ord ${direction} LIMIT :count`,
      values,
    )
    .map((row) => ({ message: toMessage(row), order: row.ord }));
}

/** Throws `not_found` where the session is not there, or another principal's. */
export function requireSession(
  connection: Connection,
  principal: Principal,
  sessionId: string,
): void {
  const sql =
    "SELECT 1 AS found FROM sessions WHERE session_id = :sessionId AND principal = :principal";
  if (connection.get(sql, { principal, sessionId }) === undefined) throw sessionNotFound(sessionId);
}

export function toMessage(row: MessageRow): Message {
  return {
    messageId: row.message_id,
    sessionId: row.session_id,
    turnId: row.turn_id,
    role: row.role,
    parts: JSON.parse(row.parts),
    state: row.state,
    createdAt: row.created_at,
    requestId: row.request_id,
    model: row.model,
    sequence: row.sequence,
    ...(row.finish_reason === null ? {} : { finishReason: row.finish_reason }),
    ...(row.usage === null ? {} : { usage: JSON.parse(row.usage) }),
    ...(row.error_reason === null ? {} : { errorReason: row.error_reason }),
    ...(row.error_message === null ? {} : { errorMessage: row.error_message }),
  };
}

/** Where a page's last message stands now: a queued one has moved if its turn has started since. */
function currentOrder(
  connection: Connection,
  principal: Principal,
  sessionId: string,
  { order, id }: PageKey,
): MessageOrder {
  const row = connection.get<{ ord: MessageOrder }>(
    `SELECT ord FROM messages
     WHERE session_id = :sessionId AND principal = :principal AND message_id = :id`,
    { principal, sessionId, id },
  );
  return row?.ord ?? order;
}
