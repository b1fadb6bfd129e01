import type { OutboxEntry } from "../session/outbox-entry.ts";
import type { FailedTurn, MessageView, SessionView } from "../session/session-view.ts";

/** A row of the conversation. */
export type Row =
  | { readonly kind: "older"; readonly key: string }
  | { readonly kind: "message"; readonly key: string; readonly message: MessageView }
  /** A turn runs, and its model has said nothing yet. */
  | { readonly kind: "waiting"; readonly key: string; readonly model: string }
  | { readonly kind: "failed"; readonly key: string; readonly failed: FailedTurn }
  /** The last message has no reply, and none comes. */
  | { readonly kind: "unanswered"; readonly key: string }
  | { readonly kind: "outgoing"; readonly key: string; readonly entry: OutboxEntry };

/** What the conversation shows, from the top. */
export function rowsOf(view: SessionView, entries: readonly OutboxEntry[]): Row[] {
  const { messages, running, failed, olderToken } = view;
  const started = messages.filter(({ state }) => state !== "queued");
  const queued = messages.filter(({ state }) => state === "queued");
  const rows: Row[] = olderToken === "" ? [] : [{ kind: "older", key: "older" }];
  for (const message of started) rows.push(messageRow(message));
  if (running !== undefined && running.replyId === "") {
    rows.push({ kind: "waiting", key: `waiting-${running.turnId}`, model: running.model });
  } else if (failed !== undefined) {
    rows.push({ kind: "failed", key: `failed-${failed.turnId}`, failed });
  } else if (isUnanswered(view, started, entries)) {
    rows.push({ kind: "unanswered", key: "unanswered" });
  }
  for (const message of queued) rows.push(messageRow(message));
  const shown = new Set(messages.map(({ requestId }) => requestId));
  for (const entry of entries) {
    if (!shown.has(entry.requestId)) rows.push({ kind: "outgoing", key: entry.requestId, entry });
  }
  return rows;
}

function messageRow(message: MessageView): Row {
  // The same key that it had while it was on its way, so that it stays where it is.
  return { kind: "message", key: message.requestId || message.id, message };
}

function isUnanswered(
  { running, isEndUnread }: SessionView,
  started: readonly MessageView[],
  entries: readonly OutboxEntry[],
): boolean {
  if (running !== undefined || isEndUnread || entries.length > 0) return false;
  return started.at(-1)?.role === "user";
}
