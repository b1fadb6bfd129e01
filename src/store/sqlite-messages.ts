import { sessionNotFound } from "../chat/errors.ts";
import type { FinishReason, Message, MessageState, Role } from "../chat/message.ts";
import type { Principal } from "../chat/session.ts";
import type { Connection, SqlValues } from "../sqlite/connection.ts";
import type { MessageOrder } from "./message-order.ts";
import { type ItemSlice, takePage } from "./message-page.ts";
import type { PageKey } from "./page-token.ts";
import { previewOf } from "./preview.ts";
import { addSearchJob, addSearchJobs } from "./sqlite-search-jobs.ts";

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
  replaced_by_turn_id: string | null;
};

export type OrderedMessage = { message: Message; order: MessageOrder };

/** Where a message is found; the principal is the session's. */
export type MessagePlace = { principal: Principal; sessionId: string; messageId: string };

export function insertMessage(
  connection: Connection,
  principal: Principal,
  message: Message,
  order: MessageOrder,
): void {
  const { messageId, sessionId, turnId, role, createdAt, requestId, model } = message;
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
      order,
      createdAt,
      requestId,
      model,
      ...contentOf(message),
    },
  );
  addSearchJob(connection, sessionId, messageId);
}

/** Stores what an extended reply has become. */
export function updateMessage(
  connection: Connection,
  principal: Principal,
  message: Message,
): void {
  const { messageId, sessionId } = message;
  connection.run(
    `UPDATE messages SET state = :state, parts = :parts, finish_reason = :finishReason, usage = :usage,
       error_reason = :errorReason, error_message = :errorMessage, sequence = :sequence
     WHERE session_id = :sessionId AND principal = :principal AND message_id = :messageId`,
    { messageId, sessionId, principal, ...contentOf(message) },
  );
  addSearchJob(connection, sessionId, messageId);
}

/** Removes a message that has left the history for good. */
export function removeMessage(
  connection: Connection,
  { principal, sessionId, messageId }: MessagePlace,
): void {
  connection.run(
    `DELETE FROM messages
     WHERE session_id = :sessionId AND principal = :principal AND message_id = :messageId`,
    { principal, sessionId, messageId },
  );
  addSearchJob(connection, sessionId, messageId);
}

/** One message, or undefined. */
export function getMessage(connection: Connection, place: MessagePlace): Message | undefined {
  const row = connection.get<MessageRow>(
    `SELECT messages.* FROM messages JOIN sessions USING (session_id)
     WHERE messages.session_id = :sessionId AND messages.principal = :principal
       AND message_id = :messageId AND deleted_at IS NULL`,
    { ...place },
  );
  return row && toMessage(row);
}

export type MessageListArgs = {
  principal: Principal;
  sessionId: string;
  newestFirst: boolean;
  includeReplaced: boolean;
  count: number;
  after: PageKey | undefined;
};

/**
 * Up to `count` messages after `after`, and fewer where they are large, see pageBytesMax. Throws
 * `not_found`.
 */
export function listMessages(
  connection: Connection,
  { principal, sessionId, newestFirst, includeReplaced, count, after }: MessageListArgs,
): ItemSlice<OrderedMessage> {
  requireSession(connection, principal, sessionId);
  const [operator, direction] = newestFirst ? ["<", "DESC"] : [">", "ASC"];
  const values: SqlValues = { principal, sessionId };
  if (after) values.order = currentOrder(connection, principal, sessionId, after);
  const rows = connection.each<MessageRow>(
    `SELECT * FROM messages WHERE principal = :principal AND session_id = :sessionId
     ${includeReplaced ? "" : "AND replaced_by_turn_id IS NULL"}
     ${after ? `AND ord ${operator} :order` : ""} ORDER BY ord ${direction}`,
    values,
  );
  return takePage(rows, count, (row) => ({ message: toMessage(row), order: row.ord }));
}

/** Hides messages, and takes them out of the session's sums. Repeating it changes nothing. */
export function hideMessages(
  connection: Connection,
  { principal, sessionId }: { principal: Principal; sessionId: string },
  messageIds: readonly string[],
  byTurnId: string,
): void {
  if (messageIds.length === 0) return;
  const ids = JSON.stringify(messageIds);
  const hidden = connection.all<{ role: Role }>(
    `UPDATE messages SET replaced_by_turn_id = :byTurnId
     WHERE session_id = :sessionId AND principal = :principal AND replaced_by_turn_id IS NULL
       AND message_id IN (SELECT value FROM json_each(:ids))
     RETURNING role`,
    { principal, sessionId, ids, byTurnId },
  );
  if (hidden.length === 0) return;
  addSearchJobs(connection, sessionId, ids);
  const users = hidden.filter(({ role }) => role === "user").length;
  connection.run(
    `UPDATE sessions SET user_messages = user_messages - :users,
       model_messages = model_messages - :models, preview = :preview
     WHERE session_id = :sessionId`,
    {
      sessionId,
      users,
      models: hidden.length - users,
      preview: latestPreview(connection, principal, sessionId),
    },
  );
}

/** What lists show of the session's latest message. */
export function latestPreview(
  connection: Connection,
  principal: Principal,
  sessionId: string,
): string {
  const latest = connection.get<{ parts: string }>(
    `SELECT parts FROM messages WHERE principal = :principal AND session_id = :sessionId
       AND replaced_by_turn_id IS NULL
     ORDER BY ord DESC LIMIT 1`,
    { principal, sessionId },
  );
  return latest === undefined ? "" : previewOf(JSON.parse(latest.parts));
}

/** Throws `not_found` where the session is not there, or another principal's. */
export function requireSession(
  connection: Connection,
  principal: Principal,
  sessionId: string,
): void {
  const found = connection.get(
    `SELECT 1 FROM sessions
     WHERE session_id = :sessionId AND principal = :principal AND deleted_at IS NULL`,
    { principal, sessionId },
  );
  if (found === undefined) throw sessionNotFound(sessionId);
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
    ...(row.replaced_by_turn_id === null ? {} : { replacedByTurnId: row.replaced_by_turn_id }),
  };
}

function contentOf(message: Message): SqlValues {
  return {
    state: message.state,
    parts: JSON.stringify(message.parts),
    finishReason: message.finishReason ?? null,
    usage: message.usage === undefined ? null : JSON.stringify(message.usage),
    errorReason: message.errorReason ?? null,
    errorMessage: message.errorMessage ?? null,
    sequence: message.sequence,
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
