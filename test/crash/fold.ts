import type { Event } from "../../src/chat/event.ts";
import { textOf } from "../../src/chat/message.ts";

/** A message as a client shows it. */
export type Shown = { messageId: string; role: "user" | "model"; text: string };

/** What a client shows that knows nothing but a session's events, from the first: docs/turns.md as a program. */
export function foldEvents(events: readonly Event[]): Shown[] {
  const shown = new Map<string, Shown>();
  const replaced = new Set<string>();
  const replyOf = new Map<string, string>();
  const questionOf = new Map<string, string>();
  const begun = new Set<string>();
  for (const event of events) {
    const { turnId } = event;
    if ("userMessage" in event && event.userMessage) {
      const { messageId, parts } = event.userMessage;
      questionOf.set(turnId, messageId);
      shown.set(messageId, { messageId, role: "user", text: textOf(parts) });
    }
    if (event.type === "status") begun.add(turnId);
    if (event.type === "start") replyOf.set(turnId, event.messageId);
    if (event.type === "chunk") {
      const messageId = replyOf.get(turnId) ?? "";
      const text = (shown.get(messageId)?.text ?? "") + event.text;
      shown.set(messageId, { messageId, role: "model", text });
    }
    if (event.type === "session_update" && event.updateType === "messages_replaced") {
      for (const id of event.data.message_ids as string[]) replaced.add(id);
    }
    const isWithdrawn = event.type === "end" && event.finishReason === "cancelled";
    if (isWithdrawn && !begun.has(turnId)) shown.delete(questionOf.get(turnId) ?? "");
  }
  return [...shown.values()].filter(({ messageId }) => !replaced.has(messageId));
}
